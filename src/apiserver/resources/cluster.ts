/** @module Who may do what, leases, custom resources, and what nodes say of the policies in force. */
import { arrayAt, at, stringAt } from "../json.ts";
import { field } from "../selectors.ts";
import type { Draft, ServedResource } from "../served.ts";
import { strategyOf } from "../strategies.ts";
import { column, define, numberAt, statusOf, text } from "./define.ts";

const RBAC = "rbac.authorization.k8s.io";

function subjects(object: Draft, kind: string): string {
  return arrayAt(object, "subjects")
    .filter((subject) => stringAt(subject, "kind") === kind)
    .map((subject) => {
      const namespace = stringAt(subject, "namespace");
      const name = stringAt(subject, "name") ?? "";
      return namespace === undefined ? name : `${namespace}/${name}`;
    })
    .join(", ");
}

function binding(kind: string, plural: string, cluster: boolean): ServedResource {
  return define({
    group: RBAC,
    kind,
    plural,
    ...(cluster && { cluster: true as const }),
    columns: [
      column(
        "Role",
        (object) => `${stringAt(object, "roleRef", "kind")}/${stringAt(object, "roleRef", "name")}`,
      ),
    ],
    wide: [
      column("Users", (object) => subjects(object, "User"), { wide: true }),
      column("Groups", (object) => subjects(object, "Group"), { wide: true }),
      column("ServiceAccounts", (object) => subjects(object, "ServiceAccount"), { wide: true }),
    ],
    strategy: { ...strategyOf("binding"), validName: "path-segment" },
  });
}

const CREATED_AT = column("Created At", (object) => object.metadata.creationTimestamp ?? "", {
  type: "date",
});
const CREATE_ONLY: readonly string[] = ["create"];

/** Questions to the server: nothing of them is kept. */
export const REVIEWS: readonly ServedResource[] = [
  define({
    group: "authentication.k8s.io",
    kind: "TokenReview",
    plural: "tokenreviews",
    cluster: true,
    verbs: CREATE_ONLY,
  }),
  define({
    group: "authentication.k8s.io",
    kind: "SelfSubjectReview",
    plural: "selfsubjectreviews",
    cluster: true,
    verbs: CREATE_ONLY,
  }),
  define({
    group: "authorization.k8s.io",
    kind: "SelfSubjectAccessReview",
    plural: "selfsubjectaccessreviews",
    cluster: true,
    verbs: CREATE_ONLY,
  }),
  define({
    group: "authorization.k8s.io",
    kind: "SelfSubjectRulesReview",
    plural: "selfsubjectrulesreviews",
    cluster: true,
    verbs: CREATE_ONLY,
  }),
  define({
    group: "authorization.k8s.io",
    kind: "SubjectAccessReview",
    plural: "subjectaccessreviews",
    cluster: true,
    verbs: CREATE_ONLY,
  }),
  define({
    group: "authorization.k8s.io",
    kind: "LocalSubjectAccessReview",
    plural: "localsubjectaccessreviews",
    verbs: CREATE_ONLY,
  }),
];

export const CLUSTER: readonly ServedResource[] = [
  define({
    group: RBAC,
    kind: "Role",
    plural: "roles",
    columns: [CREATED_AT],
    ageless: true,
    strategy: { validName: "path-segment" },
  }),
  define({
    group: RBAC,
    kind: "ClusterRole",
    plural: "clusterroles",
    cluster: true,
    columns: [CREATED_AT],
    ageless: true,
    strategy: { validName: "path-segment" },
  }),
  binding("RoleBinding", "rolebindings", false),
  binding("ClusterRoleBinding", "clusterrolebindings", true),
  define({
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
    columns: [column("Holder", text("spec", "holderIdentity"))],
  }),
  define({
    group: "scheduling.k8s.io",
    kind: "PriorityClass",
    plural: "priorityclasses",
    cluster: true,
    short: ["pc"],
    columns: [
      column("Value", (object) => numberAt(object, "value"), { type: "integer" }),
      column("Global-Default", (object) => String(at(object, "globalDefault") === true)),
    ],
    wide: [column("PreemptionPolicy", text("preemptionPolicy"), { wide: true })],
    strategy: strategyOf("PriorityClass"),
  }),
  define({
    group: "apiextensions.k8s.io",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
    cluster: true,
    short: ["crd", "crds"],
    categories: ["api-extensions"],
    subresources: [statusOf("CustomResourceDefinition")],
    columns: [CREATED_AT],
    ageless: true,
    strategy: { ...strategyOf("CustomResourceDefinition"), hasStatus: true, hasGeneration: true },
  }),
  define({
    group: "tortie.dev",
    version: "v1alpha1",
    kind: "NodeNetwork",
    plural: "nodenetworks",
    cluster: true,
    schemaless: true,
    columns: [
      column("Policies", (object) => Object.keys((at(object, "status", "policies") ?? {}) as object).length, {
        type: "integer",
      }),
      column("Revision", text("status", "observedResourceVersion")),
      column("Changed", (object) => {
        const milliseconds = at(object, "status", "lastChangeMs");
        return typeof milliseconds === "number" ? `${milliseconds} ms` : "";
      }),
    ],
    strategy: {
      hasStatus: true,
      fields: { "status.observedResourceVersion": field("status.observedResourceVersion") },
    },
    subresources: [statusOf("NodeNetwork")],
  }),
];
