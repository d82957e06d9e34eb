/** @module Acting as another: kubectl's --as, --as-group and --as-uid, for whom may (RBAC's verb `impersonate`). */
import type { Authorizer } from "./authorize.ts";
import { refusal } from "./authorize.ts";
import { errors } from "./status-error.ts";
import type { User } from "./users.ts";

const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const ANONYMOUS = "system:anonymous";

interface Wanted {
  readonly group: string;
  readonly plural: string;
  readonly name: string;
  readonly namespace?: string;
  readonly subresource?: string;
}

/**
 * Who a request is judged as.
 * @param user - who sent it
 * @throws StatusError 403 when `user` may not act as that one, 400 when groups are named and nobody to have them
 */
export async function actingUser(
  user: User,
  headers: NodeJS.Dict<string[]>,
  authorizer: Authorizer,
): Promise<User> {
  const [name] = headers["impersonate-user"] ?? [];
  const groups = headers["impersonate-group"] ?? [];
  const [uid] = headers["impersonate-uid"] ?? [];
  const extras = Object.entries(headers).flatMap(([header, values]) =>
    header.startsWith("impersonate-extra-")
      ? (values ?? []).map((value) => ({ key: header.slice("impersonate-extra-".length), value }))
      : [],
  );
  if (!name) {
    if (groups.length === 0 && uid === undefined && extras.length === 0) return user;
    throw errors.badRequest(
      "requested impersonation of groups, a uid or extra fields without impersonating a user",
    );
  }
  const account = SERVICE_ACCOUNT.exec(name);
  const [, namespace = "", accountName = ""] = account ?? [];
  const wanted: Wanted[] = [
    account
      ? { group: "", plural: "serviceaccounts", name: accountName, namespace }
      : { group: "", plural: "users", name },
    ...groups.map((group) => ({ group: "", plural: "groups", name: group })),
    ...(uid === undefined ? [] : [{ group: "authentication.k8s.io", plural: "uids", name: uid }]),
    ...extras.map(({ key, value }) => ({
      group: "authentication.k8s.io",
      plural: "userextras",
      subresource: key,
      name: value,
    })),
  ];
  for (const one of wanted) await requireAllowed(user, one, authorizer);
  return {
    name,
    groups: [
      ...(groups.length > 0 || !account ? groups : accountGroups(namespace)),
      ...everyone(name, groups),
    ],
    ...(uid !== undefined && { uid }),
  };
}

/** As kube-apiserver: who is named is in the groups of everybody who is known. */
function everyone(name: string, groups: readonly string[]): string[] {
  const group = name === ANONYMOUS ? "system:unauthenticated" : "system:authenticated";
  return groups.includes(group) ? [] : [group];
}

function accountGroups(namespace: string): string[] {
  return ["system:serviceaccounts", `system:serviceaccounts:${namespace}`];
}

async function requireAllowed(user: User, wanted: Wanted, authorizer: Authorizer): Promise<void> {
  const { group, plural, name } = wanted;
  const request = {
    verb: "impersonate",
    group,
    plural,
    subresource: wanted.subresource,
    namespace: wanted.namespace,
    name,
  };
  if (await authorizer.allows(user, request)) return;
  throw errors.forbidden({ group, plural, kind: plural }, name, refusal(user, request));
}
