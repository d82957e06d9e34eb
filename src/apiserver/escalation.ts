/**
 * @module Nobody gives away what they have not: who makes or binds a role must have all of its rules, or the verbs
 * `escalate` and `bind`. Source: kubernetes.io "Privilege escalation prevention", pkg/registry/rbac/validation.
 */
import { type Authorizer, type PolicyRule, ruleOf } from "./authorize.ts";
import { arrayAt, stringAt } from "./json.ts";
import { jsonEqual } from "./patch/json-value.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";
import type { User } from "./users.ts";

const GROUP = "rbac.authorization.k8s.io";
/** What an aggregated role may come to be. */
const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"], resourceNames: [], nonResourceURLs: [] },
  { verbs: ["*"], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: ["*"] },
];

/** @throws StatusError 403, and 404 where a binding names a role that is not there */
export async function checkEscalation(
  authorizer: Authorizer,
  user: User,
  resource: ServedResource,
  { after, before }: { readonly after: Readonly<Draft>; readonly before: Readonly<Draft> | undefined },
): Promise<void> {
  if (resource.group !== GROUP || user.groups.includes("system:masters")) return;
  const needed =
    resource.kind === "Role" || resource.kind === "ClusterRole"
      ? await rulesGiven(authorizer, user, resource, after, before)
      : await rulesBound(authorizer, user, after, before);
  if (needed.length === 0) return;
  const missing = missingRules(await authorizer.rules(user, after.metadata.namespace), needed);
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
  throw errors.forbidden(
    resource,
    after.metadata.name,
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${missing.join("\n")}`,
  );
}

async function rulesGiven(
  authorizer: Authorizer,
  user: User,
  { plural }: ServedResource,
  after: Readonly<Draft>,
  before: Readonly<Draft> | undefined,
): Promise<readonly PolicyRule[]> {
  const isSame =
    before !== undefined &&
    jsonEqual(after["rules"], before["rules"]) &&
    jsonEqual(after["aggregationRule"], before["aggregationRule"]);
  if (isSame || (await may(authorizer, user, "escalate", plural, after.metadata))) return [];
  const isAggregated = arrayAt(after, "aggregationRule", "clusterRoleSelectors").length > 0;
  return [...arrayAt(after, "rules").map(ruleOf), ...(isAggregated ? EVERYTHING : [])];
}

async function rulesBound(
  authorizer: Authorizer,
  user: User,
  after: Readonly<Draft>,
  before: Readonly<Draft> | undefined,
): Promise<readonly PolicyRule[]> {
  if (before && isForGarbageCollection(after, before)) return [];
  const { namespace } = after.metadata;
  const kind = stringAt(after, "roleRef", "kind") ?? "";
  const name = stringAt(after, "roleRef", "name") ?? "";
  const plural = kind === "ClusterRole" ? "clusterroles" : "roles";
  if (await may(authorizer, user, "bind", plural, { name, namespace })) return [];
  const rules = await authorizer.roleRules(kind, kind === "Role" ? namespace : undefined, name);
  if (!rules) throw errors.notFound({ group: GROUP, plural, kind }, name);
  return rules;
}

function may(
  authorizer: Authorizer,
  user: User,
  verb: string,
  plural: string,
  { name, namespace }: { readonly name: string; readonly namespace?: string | undefined },
): Promise<boolean> {
  return authorizer.allows(user, { verb, group: GROUP, plural, subresource: undefined, namespace, name });
}

/** Whoever ends an object needs no rights of its subjects. */
function isForGarbageCollection(after: Readonly<Draft>, before: Readonly<Draft>): boolean {
  const rest = ({ metadata, ...object }: Readonly<Draft>): unknown => {
    const {
      finalizers: _,
      ownerReferences: __,
      managedFields: ___,
      resourceVersion: ____,
      ...kept
    } = metadata;
    return { ...object, metadata: kept };
  };
  return jsonEqual(rest(after), rest(before));
}

/** The rules of `needed` that `own` does not cover, one text each, as Kubernetes writes them. */
export function missingRules(own: readonly PolicyRule[], needed: readonly PolicyRule[]): string[] {
  const missing = needed.flatMap(singles).filter((one) => !own.some((rule) => covers(rule, one)));
  const byRest = new Map<string, { readonly rule: PolicyRule; readonly verbs: string[] }>();
  for (const rule of missing) {
    const key = JSON.stringify({ ...rule, verbs: [] });
    const known = byRest.get(key);
    if (known) known.verbs.push(...rule.verbs);
    else byRest.set(key, { rule, verbs: [...rule.verbs] });
  }
  return [...byRest.values()].map(({ rule, verbs }) => textOf({ ...rule, verbs })).sort();
}

/** A rule as rules of one group, one resource, one name and one verb. */
function singles(rule: PolicyRule): PolicyRule[] {
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  return rule.verbs.flatMap((verb) => [
    ...rule.apiGroups.flatMap((group) =>
      rule.resources.flatMap((resource) =>
        names.map(
          (resourceNames): PolicyRule => ({
            verbs: [verb],
            apiGroups: [group],
            resources: [resource],
            resourceNames,
            nonResourceURLs: [],
          }),
        ),
      ),
    ),
    ...rule.nonResourceURLs.map(
      (url): PolicyRule => ({
        verbs: [verb],
        apiGroups: [],
        resources: [],
        resourceNames: [],
        nonResourceURLs: [url],
      }),
    ),
  ]);
}

function covers(rule: PolicyRule, one: PolicyRule): boolean {
  return (
    hasAll(rule.verbs, one.verbs) &&
    hasAll(rule.apiGroups, one.apiGroups) &&
    one.resources.every((resource) => coversResource(rule.resources, resource)) &&
    one.nonResourceURLs.every((url) => rule.nonResourceURLs.some((own) => coversUrl(own, url))) &&
    (rule.resourceNames.length === 0 ||
      (one.resourceNames.length > 0 && one.resourceNames.every((name) => rule.resourceNames.includes(name))))
  );
}

function hasAll(own: readonly string[], wanted: readonly string[]): boolean {
  return own.includes("*") || wanted.every((word) => own.includes(word));
}

function coversResource(own: readonly string[], resource: string): boolean {
  if (own.includes("*") || own.includes(resource)) return true;
  const slash = resource.indexOf("/");
  return slash >= 0 && own.includes(`*${resource.slice(slash)}`);
}

function coversUrl(own: string, url: string): boolean {
  return own === "*" || own === url || (own.endsWith("*") && url.startsWith(own.slice(0, -1)));
}

function textOf(rule: PolicyRule): string {
  const parts = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["ResourceNames", rule.resourceNames],
    ["Verbs", rule.verbs],
  ] as const;
  const told = parts
    .filter(([, words]) => words.length > 0)
    .map(([name, words]) => `${name}:[${words.map((word) => JSON.stringify(word)).join(" ")}]`);
  return `{${told.join(", ")}}`;
}
