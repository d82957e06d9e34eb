/**
 * @module Makes a cluster's own roles and bindings, and mends them at each start, as kube-apiserver does: rules and
 * subjects that are missing are added, what somebody has added stays, and what says that it wants none of it is left alone.
 */
import { type Client, isReason } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { CLUSTER_BINDINGS, CLUSTER_ROLES, NODE_LEASES, type Rule, type Subject } from "./bootstrap-roles.ts";

const RBAC = "rbac.authorization.k8s.io";
const AUTO_UPDATE = "rbac.authorization.kubernetes.io/autoupdate";
const LABELS = { "kubernetes.io/bootstrapping": "rbac-defaults" };

interface Role extends KubeObject {
  readonly rules?: readonly Rule[] | null;
}

interface Binding extends KubeObject {
  readonly roleRef: { readonly apiGroup: string; readonly kind: string; readonly name: string };
  readonly subjects?: readonly Subject[] | null;
}

function typeOf<T extends KubeObject>(kind: string, namespaced: boolean): ResourceType<T> {
  return { group: RBAC, version: "v1", kind, plural: `${kind.toLowerCase()}s`, namespaced };
}

interface Place {
  readonly name: string;
  readonly namespace?: string;
}

export async function bootstrapRbac(client: Client): Promise<void> {
  for (const [name, rules] of Object.entries(CLUSTER_ROLES))
    await mendRole(client, typeOf("ClusterRole", false), { name }, rules);
  for (const [name, subject] of Object.entries(CLUSTER_BINDINGS))
    await mendBinding(
      client,
      typeOf("ClusterRoleBinding", false),
      { name },
      { kind: "ClusterRole", subject },
    );
  const { namespace, name, rules, subject } = NODE_LEASES;
  await mendRole(client, typeOf("Role", true), { namespace, name }, rules);
  await mendBinding(client, typeOf("RoleBinding", true), { namespace, name }, { kind: "Role", subject });
}

async function mendRole(
  client: Client,
  type: ResourceType<Role>,
  place: Place,
  rules: readonly Rule[],
): Promise<void> {
  const present = await find(client, type, place);
  if (!present) {
    await make(client, type, { ...draft(type, place), rules });
    return;
  }
  const said = present.metadata.annotations?.[AUTO_UPDATE];
  if (said === "false") return;
  const own = present.rules ?? [];
  // Without the annotation it is of an older version, which gave more than was meant.
  const mended = said === undefined ? rules : [...own, ...rules.filter((one) => !isCovered(one, own))];
  if (said !== undefined && mended.length === own.length) return;
  await client.update(type, { ...present, metadata: marked(present), rules: mended });
}

async function mendBinding(
  client: Client,
  type: ResourceType<Binding>,
  place: Place,
  { kind, subject }: { readonly kind: string; readonly subject: Subject },
): Promise<void> {
  const roleRef = { apiGroup: RBAC, kind, name: place.name };
  const wanted: Binding = { ...draft(type, place), roleRef, subjects: [subject] };
  const present = await find(client, type, place);
  if (!present) {
    await make(client, type, wanted);
    return;
  }
  const said = present.metadata.annotations?.[AUTO_UPDATE];
  if (said === "false") return;
  if (present.roleRef.kind !== kind || present.roleRef.name !== place.name) {
    // What a binding binds cannot be changed.
    await client.delete(type, place);
    await make(client, type, wanted);
    return;
  }
  const own = present.subjects ?? [];
  const isThere = own.some(
    (one) => one.kind === subject.kind && one.name === subject.name && one.namespace === subject.namespace,
  );
  if (isThere && said !== undefined) return;
  const subjects = isThere ? own : [...own, subject];
  await client.update(type, { ...present, metadata: marked(present), subjects });
}

function draft(type: ResourceType, place: Place): KubeObject {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: type.kind,
    metadata: { ...place, labels: { ...LABELS }, annotations: { [AUTO_UPDATE]: "true" } },
  };
}

function marked({ metadata }: KubeObject): KubeObject["metadata"] {
  return {
    ...metadata,
    labels: { ...metadata.labels, ...LABELS },
    annotations: { ...metadata.annotations, [AUTO_UPDATE]: "true" },
  };
}

async function find<T extends KubeObject>(
  client: Client,
  type: ResourceType<T>,
  place: Place,
): Promise<T | undefined> {
  try {
    return await client.get(type, place);
  } catch (error) {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Another control plane over the same store may be quicker. */
async function make<T extends KubeObject>(client: Client, type: ResourceType<T>, object: T): Promise<void> {
  try {
    await client.create(type, object);
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
  }
}

/** Whether rules together allow all that one allows. */
function isCovered(wanted: Rule, rules: readonly Rule[]): boolean {
  const has = (list: readonly string[] | undefined, word: string): boolean =>
    list?.includes("*") === true || list?.includes(word) === true;
  const open = rules.filter(({ resourceNames }) => (resourceNames ?? []).length === 0);
  return wanted.verbs.every((verb) => {
    const able = open.filter(({ verbs }) => has(verbs, verb));
    const paths = (wanted.nonResourceURLs ?? []).every((path) =>
      able.some(({ nonResourceURLs }) => has(nonResourceURLs, path)),
    );
    const resources = (wanted.apiGroups ?? []).every((group) =>
      (wanted.resources ?? []).every((resource) =>
        able.some((one) => has(one.apiGroups, group) && has(one.resources, resource)),
      ),
    );
    return paths && resources;
  });
}
