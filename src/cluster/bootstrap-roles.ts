/** @module The roles that every cluster has, as kube-apiserver's bootstrap policy (plugin/pkg/auth/authorizer/rbac/bootstrappolicy). Data. */

export interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

const READ = ["get", "list", "watch"];
const WRITE = ["create", "delete", "deletecollection", "patch", "update"];
const ALL_POLICIES = ["networking.k8s.io", "policy.networking.k8s.io", "projectcalico.org"];

function rule(verbs: readonly string[], group: string, resources: string): Rule {
  return { apiGroups: [group], resources: resources.split(" "), verbs };
}

/** What a namespace's users work with: those that they may write to, and their parts that only controllers write. */
const WORKLOADS = {
  core: "configmaps persistentvolumeclaims pods replicationcontrollers replicationcontrollers/scale serviceaccounts services",
  apps: "daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
  batch: "cronjobs jobs",
  networking: "ingresses networkpolicies",
  calico: "networkpolicies networksets stagedkubernetesnetworkpolicies stagednetworkpolicies",
};

const VIEW: readonly Rule[] = [
  rule(READ, "", `${WORKLOADS.core} endpoints persistentvolumeclaims/status services/status`),
  rule(
    READ,
    "",
    "bindings events limitranges namespaces namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
  ),
  rule(READ, "discovery.k8s.io", "endpointslices"),
  rule(
    READ,
    "apps",
    `${WORKLOADS.apps} controllerrevisions daemonsets/status deployments/status replicasets/status statefulsets/status`,
  ),
  rule(READ, "batch", `${WORKLOADS.batch} cronjobs/status jobs/status`),
  rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
  rule(READ, "networking.k8s.io", `${WORKLOADS.networking} ingresses/status`),
  rule(READ, "projectcalico.org", WORKLOADS.calico),
];

/** Whoever may run pods may run them as any account of the namespace: what the accounts may do, they may. */
const EDIT: readonly Rule[] = [
  ...VIEW,
  rule(READ, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
  rule(["impersonate"], "", "serviceaccounts"),
  rule(["create"], "", "pods/eviction serviceaccounts/token"),
  rule(
    WRITE,
    "",
    `${WORKLOADS.core} events pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy`,
  ),
  rule(WRITE, "apps", WORKLOADS.apps),
  rule(WRITE, "batch", WORKLOADS.batch),
  rule(WRITE, "policy", "poddisruptionbudgets"),
  rule(WRITE, "networking.k8s.io", WORKLOADS.networking),
  rule(WRITE, "projectcalico.org", WORKLOADS.calico),
];

const ADMIN: readonly Rule[] = [
  ...EDIT,
  rule(["create"], "authorization.k8s.io", "localsubjectaccessreviews"),
  rule([...READ, ...WRITE], "rbac.authorization.k8s.io", "rolebindings roles"),
];

/**
 * As far as RBAC can say it. That a node writes to itself and to its own pods only, and reads only what they name, is
 * not for roles to say.
 */
const NODE: readonly Rule[] = [
  rule(READ, "", "nodes pods services"),
  // By name: they are not to be looked through.
  rule(["get"], "", "configmaps secrets serviceaccounts"),
  rule(["patch", "update"], "", "nodes/status pods/status"),
  rule(["delete"], "", "pods"),
  rule(["create"], "", "serviceaccounts/token"),
  rule(["create", "patch", "update"], "", "events"),
];

export const CLUSTER_ROLES: Readonly<Record<string, readonly Rule[]>> = {
  "cluster-admin": [
    { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
    { nonResourceURLs: ["*"], verbs: ["*"] },
  ],
  admin: ADMIN,
  edit: EDIT,
  view: VIEW,
  "system:discovery": [
    {
      nonResourceURLs: [
        "/",
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/openapi",
        "/openapi/*",
        "/version",
        "/version/",
      ],
      verbs: ["get"],
    },
  ],
  "system:basic-user": [
    {
      apiGroups: ["authorization.k8s.io"],
      resources: ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
      verbs: ["create"],
    },
    { apiGroups: ["authentication.k8s.io"], resources: ["selfsubjectreviews"], verbs: ["create"] },
  ],
  "system:node": NODE,
  "tortie:agent": [
    {
      apiGroups: [""],
      resources: ["nodes", "pods", "namespaces", "services", "serviceaccounts", "endpoints"],
      verbs: READ,
    },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
    { apiGroups: ALL_POLICIES, resources: ["*"], verbs: READ },
    {
      apiGroups: ["tortie.dev"],
      resources: ["nodenetworks", "nodenetworks/status"],
      verbs: ["create", "get", "patch", "update"],
    },
  ],
  "system:coredns": [
    { apiGroups: [""], resources: ["services", "pods", "namespaces", "nodes"], verbs: READ },
    { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READ },
  ],
};

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
  readonly apiGroup?: string;
}

function group(name: string): Subject {
  return { kind: "Group", name, apiGroup: "rbac.authorization.k8s.io" };
}

/** By the role that they bind, whose name they have. */
export const CLUSTER_BINDINGS: Readonly<Record<string, Subject>> = {
  "cluster-admin": group("system:masters"),
  "system:discovery": group("system:authenticated"),
  "system:basic-user": group("system:authenticated"),
  "system:node": group("system:nodes"),
  "tortie:agent": group("tortie:agents"),
  "system:coredns": { kind: "ServiceAccount", name: "coredns", namespace: "kube-system" },
};

/** Nodes tell that they live in one namespace only. */
export const NODE_LEASES: {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly subject: Subject;
} = {
  namespace: "kube-node-lease",
  name: "system:node",
  rules: [rule(["create", "get", "patch", "update"], "coordination.k8s.io", "leases")],
  subject: group("system:nodes"),
};
