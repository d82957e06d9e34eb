/** @module Questions that are asked by creating an object that nobody keeps: may I, who am I, give me a token. */
import { timeText } from "../client/objects.ts";
import type { Authorizer } from "./authorize.ts";
import { arrayAt, at, stringAt } from "./json.ts";
import { invalid } from "./metadata.ts";
import type { Draft, ServedResource } from "./served.ts";
import { boundKind, type Tokens } from "./service-account-tokens.ts";
import { errors } from "./status-error.ts";
import { API_AUDIENCE, type BoundObject, type TokenSigner, type User } from "./users.ts";

const DEFAULT_EXPIRATION = 3600;
const MIN_EXPIRATION = 600;
const MAX_EXPIRATION = 2 ** 32;

export class Reviews {
  readonly #authorizer: Authorizer;
  readonly #signer: TokenSigner;
  readonly #tokens: Tokens;

  constructor(authorizer: Authorizer, signer: TokenSigner, tokens: Tokens) {
    this.#authorizer = authorizer;
    this.#signer = signer;
    this.#tokens = tokens;
  }

  /** @returns undefined when the object is one that is kept */
  async answer(resource: ServedResource, draft: Draft, user: User): Promise<Draft | undefined> {
    if (resource.group !== "authorization.k8s.io" && resource.group !== "authentication.k8s.io")
      return undefined;
    switch (resource.kind) {
      case "SelfSubjectAccessReview":
        return { ...draft, status: await this.#access(user, draft["spec"]) };
      case "LocalSubjectAccessReview":
        checkOwnNamespace(draft);
        return { ...draft, status: await this.#access(subjectOf(draft["spec"]), draft["spec"]) };
      case "SubjectAccessReview":
        return { ...draft, status: await this.#access(subjectOf(draft["spec"]), draft["spec"]) };
      case "SelfSubjectRulesReview":
        return { ...draft, status: await this.#rules(user, stringAt(draft, "spec", "namespace") ?? "") };
      case "SelfSubjectReview":
        return {
          ...draft,
          status: { userInfo: { username: user.name, groups: user.groups, uid: user.uid } },
        };
      case "TokenReview":
        return { ...draft, status: await this.#token(draft["spec"]) };
      default:
        return undefined;
    }
  }

  async #access(user: User, spec: unknown): Promise<Record<string, unknown>> {
    const resource = at(spec, "resourceAttributes");
    const path = at(spec, "nonResourceAttributes");
    const allowed =
      resource === undefined
        ? await this.#authorizer.allowsPath(user, stringAt(path, "verb") ?? "", stringAt(path, "path") ?? "")
        : await this.#authorizer.allows(user, {
            verb: stringAt(resource, "verb") ?? "",
            group: stringAt(resource, "group") ?? "",
            plural: stringAt(resource, "resource") ?? "",
            subresource: stringAt(resource, "subresource") || undefined,
            namespace: stringAt(resource, "namespace") || undefined,
            name: stringAt(resource, "name") || undefined,
          });
    return { allowed, ...(!allowed && { reason: "" }) };
  }

  async #rules(user: User, namespace: string): Promise<Record<string, unknown>> {
    const rules = await this.#authorizer.rules(user, namespace);
    return {
      resourceRules: rules
        .filter(({ resources }) => resources.length > 0)
        .map(({ verbs, apiGroups, resources, resourceNames }) => ({
          verbs,
          apiGroups,
          resources,
          resourceNames,
        })),
      nonResourceRules: rules
        .filter(({ nonResourceURLs }) => nonResourceURLs.length > 0)
        .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs })),
      incomplete: false,
    };
  }

  async #token(spec: unknown): Promise<Record<string, unknown>> {
    const token = stringAt(spec, "token") ?? "";
    if (token === "") throw errors.badRequest("token is required for TokenReview in authentication");
    const asked = arrayAt(spec, "audiences").map(String);
    const found = await this.#tokens.check(token, asked.length > 0 ? asked : undefined);
    if (!found) return { authenticated: false, error: "invalid bearer token" };
    const { name, groups, uid } = found.user;
    return { authenticated: true, user: { username: name, groups, uid }, audiences: found.audiences };
  }

  /** `serviceaccounts/NAME/token`. @throws StatusError 400, 404, 409, 422 */
  async issueToken(
    account: Readonly<Draft>,
    request: Record<string, unknown>,
  ): Promise<Record<string, unknown>> {
    const seconds = expirationOf(request);
    const { namespace = "", name, uid = "" } = account.metadata;
    const reference = at(request, "spec", "boundObjectRef") ?? undefined;
    const bound = reference === undefined ? undefined : await this.#boundTo(account, reference);
    const asked = arrayAt(request, "spec", "audiences").map(String);
    const audiences = asked.length > 0 ? asked : [API_AUDIENCE];
    const { token, expires } = this.#signer.issue(
      { namespace, name, uid, audiences, expirationSeconds: seconds, ...(bound && { bound }) },
      new Date(),
    );
    return {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { name, namespace, creationTimestamp: null },
      spec: { audiences, expirationSeconds: seconds, boundObjectRef: reference ?? null },
      status: { token, expirationTimestamp: timeText(expires) },
    };
  }

  async #boundTo(account: Readonly<Draft>, reference: unknown): Promise<BoundObject> {
    const { namespace = "", name: accountName } = account.metadata;
    const apiVersion = stringAt(reference, "apiVersion") ?? "";
    const kind = stringAt(reference, "kind") ?? "";
    const name = stringAt(reference, "name") ?? "";
    const known = boundKind(apiVersion, kind);
    if (!known) {
      const group = apiVersion.includes("/") ? apiVersion : `/${apiVersion}`;
      throw errors.badRequest(`cannot bind token to object of type ${group}, Kind=${kind}`);
    }
    const object = await this.#tokens.bound(known, namespace, name);
    if (!object) throw errors.notFound({ group: "", plural: known.plural, kind }, name);
    if (known.kind === "Pod" && (stringAt(object, "spec", "serviceAccountName") ?? "default") !== accountName)
      throw errors.badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(accountName)} to pod running with different serviceaccount name.`,
      );
    const { uid = "" } = object.metadata;
    const asked = stringAt(reference, "uid");
    if (asked && asked !== uid) {
      throw errors.conflict(
        { group: "", plural: kind, kind },
        name,
        `the UID in the bound object reference (${asked}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    }
    return { kind: known.kind, name, uid };
  }
}

function expirationOf(request: Record<string, unknown>): number {
  const seconds = at(request, "spec", "expirationSeconds") ?? DEFAULT_EXPIRATION;
  if (typeof seconds === "number" && seconds >= MIN_EXPIRATION && seconds <= MAX_EXPIRATION) return seconds;
  const isLong = typeof seconds === "number" && seconds > MAX_EXPIRATION;
  throw errors.invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", [
    invalid(
      "spec.expirationSeconds",
      seconds,
      isLong
        ? "may not specify a duration larger than 2^32 seconds"
        : "may not specify a duration less than 10 minutes",
    ),
  ]);
}

/** Who may ask about one namespace may ask about no other. */
function checkOwnNamespace({ metadata, ...review }: Draft): void {
  const own = metadata.namespace ?? "";
  const asked = stringAt(review, "spec", "resourceAttributes", "namespace") ?? "";
  if (asked === own) return;
  throw errors.invalid({ group: "authorization.k8s.io", kind: "LocalSubjectAccessReview" }, "", [
    invalid("spec.resourceAttributes.namespace", asked, `must match metadata.namespace`),
  ]);
}

function subjectOf(spec: unknown): User {
  return { name: stringAt(spec, "user") ?? "", groups: arrayAt(spec, "groups").map(String) };
}
