/** @module Role-based access (rbac.authorization.k8s.io): what is not allowed by a role is forbidden. */
import type { Store, Watch } from "../store/store.ts";
import { arrayAt, stringAt } from "./json.ts";
import { objectOf } from "./objects.ts";
import type { User } from "./users.ts";

const PREFIX = "/registry/rbac.authorization.k8s.io/";

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

interface Binding {
  /** "" binds in every namespace. */
  readonly namespace: string;
  readonly subjects: readonly unknown[];
  readonly rules: readonly PolicyRule[];
}

interface Policy {
  /** By {@link roleKey}. */
  readonly roles: ReadonlyMap<string, readonly PolicyRule[]>;
  readonly bindings: readonly Binding[];
}

function roleKey(kind: string, namespace: string | undefined, name: string): string {
  return `${kind} ${namespace ?? ""}/${name}`;
}

/** What is to be done, in the words of an access review. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly plural: string;
  readonly subresource: string | undefined;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
}

/** Follows roles and bindings of the store. Cost of a question: the bindings, which are few. */
export class Authorizer {
  readonly #store: Store;
  #policy: Policy | undefined;
  #watch: Watch | undefined;
  #changes = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  async start(): Promise<void> {
    const revision = await this.#store.revision();
    this.#watch = this.#store.watch(PREFIX, revision, {
      events: () => {
        this.#changes++;
        this.#policy = undefined;
      },
      // Without news nobody is allowed anything that was not allowed a moment ago; the server ends soon after.
      failed: () => undefined,
    });
    await this.#load();
  }

  async #load(): Promise<Policy> {
    const changes = this.#changes;
    const { entries } = await this.#store.list(PREFIX);
    const objects = entries.map(objectOf);
    const roles = new Map<string, readonly PolicyRule[]>();
    for (const object of objects) {
      if (object.kind !== "Role" && object.kind !== "ClusterRole") continue;
      const { namespace, name } = object.metadata;
      roles.set(roleKey(object.kind, namespace, name), arrayAt(object, "rules").map(ruleOf));
    }
    const bindings: Binding[] = [];
    for (const object of objects) {
      if (object.kind !== "RoleBinding" && object.kind !== "ClusterRoleBinding") continue;
      const kind = stringAt(object, "roleRef", "kind") ?? "";
      const namespace = object.kind === "RoleBinding" ? (object.metadata.namespace ?? "") : "";
      const scope = kind === "Role" ? namespace : undefined;
      const rules = roles.get(roleKey(kind, scope, stringAt(object, "roleRef", "name") ?? ""));
      if (rules) bindings.push({ namespace, subjects: arrayAt(object, "subjects"), rules });
    }
    // What changed while the list was on its way is read the next time.
    const policy = { roles, bindings };
    if (changes === this.#changes) this.#policy = policy;
    return policy;
  }

  async allows(user: User, request: Attributes): Promise<boolean> {
    if (user.groups.includes("system:masters")) return true;
    for await (const rule of this.#rulesOf(user, request.namespace))
      if (coversResource(rule, request)) return true;
    return false;
  }

  async allowsPath(user: User, verb: string, path: string): Promise<boolean> {
    if (user.groups.includes("system:masters")) return true;
    for await (const rule of this.#rulesOf(user, undefined)) {
      const names = rule.nonResourceURLs.some((url) =>
        url.endsWith("*") ? path.startsWith(url.slice(0, -1)) : url === path,
      );
      if (names && has(rule.verbs, verb)) return true;
    }
    return false;
  }

  /** All rules that hold for a user in a namespace. */
  async rules(user: User, namespace: string | undefined): Promise<PolicyRule[]> {
    const rules: PolicyRule[] = [];
    if (user.groups.includes("system:masters")) {
      rules.push({
        verbs: ["*"],
        apiGroups: ["*"],
        resources: ["*"],
        resourceNames: [],
        nonResourceURLs: [],
      });
      rules.push({ verbs: ["*"], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ["*"] });
    }
    for await (const rule of this.#rulesOf(user, namespace)) rules.push(rule);
    return rules;
  }

  /** @returns undefined when there is no such role */
  async roleRules(
    kind: string,
    namespace: string | undefined,
    name: string,
  ): Promise<readonly PolicyRule[] | undefined> {
    return (this.#policy ?? (await this.#load())).roles.get(roleKey(kind, namespace, name));
  }

  async *#rulesOf(user: User, namespace: string | undefined): AsyncIterable<PolicyRule> {
    for (const binding of (this.#policy ?? (await this.#load())).bindings) {
      if (binding.namespace !== "" && binding.namespace !== namespace) continue;
      if (binding.subjects.some((subject) => isSubject(subject, user, binding.namespace)))
        yield* binding.rules;
    }
  }

  close(): void {
    this.#watch?.close();
  }
}

export function ruleOf(rule: unknown): PolicyRule {
  const list = (name: string): string[] => arrayAt(rule, name).map(String);
  return {
    verbs: list("verbs"),
    apiGroups: list("apiGroups"),
    resources: list("resources"),
    resourceNames: list("resourceNames"),
    nonResourceURLs: list("nonResourceURLs"),
  };
}

function isSubject(subject: unknown, user: User, bindingNamespace: string): boolean {
  const name = stringAt(subject, "name") ?? "";
  switch (stringAt(subject, "kind")) {
    case "User":
      return name === user.name;
    case "Group":
      return user.groups.includes(name);
    case "ServiceAccount":
      return (
        user.name === `system:serviceaccount:${stringAt(subject, "namespace") ?? bindingNamespace}:${name}`
      );
    default:
      return false;
  }
}

function has(list: readonly string[], word: string): boolean {
  return list.includes(word) || list.includes("*");
}

function coversResource(rule: PolicyRule, request: Attributes): boolean {
  const { subresource, plural } = request;
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  const named =
    has(rule.resources, resource) ||
    (subresource !== undefined && rule.resources.includes(`*/${subresource}`));
  const forName =
    rule.resourceNames.length === 0 ||
    (request.name !== undefined && rule.resourceNames.includes(request.name));
  return named && forName && has(rule.verbs, request.verb) && has(rule.apiGroups, request.group);
}

/** Kubernetes' words for what a user may not do. */
export function refusal(user: User, request: Attributes): string {
  const resource =
    request.subresource === undefined ? request.plural : `${request.plural}/${request.subresource}`;
  const where =
    request.namespace === undefined
      ? " at the cluster scope"
      : ` in the namespace ${JSON.stringify(request.namespace)}`;
  return `User ${JSON.stringify(user.name)} cannot ${request.verb} resource ${JSON.stringify(resource)} in API group ${JSON.stringify(request.group)}${where}`;
}
