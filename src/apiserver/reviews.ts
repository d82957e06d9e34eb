/** @module Questions that are asked by creating an object that nobody keeps: may I, who am I, give me a token. */
import { timeText } from "../client/objects.ts";
import type { Authorizer } from "./authorize.ts";
import { arrayAt, at, stringAt } from "./json.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";
import type { CheckToken, TokenSigner, User } from "./users.ts";

const DEFAULT_EXPIRATION = 3600;
const MIN_EXPIRATION = 600;
const MAX_EXPIRATION = 2 ** 32;

export class Reviews {
  readonly #authorizer: Authorizer;
  readonly #signer: TokenSigner;
  readonly #checkToken: CheckToken;

  constructor(authorizer: Authorizer, signer: TokenSigner, checkToken: CheckToken) {
    this.#authorizer = authorizer;
    this.#signer = signer;
    this.#checkToken = checkToken;
  }

  /** @returns undefined when the object is one that is kept */
  async answer(resource: ServedResource, draft: Draft, user: User): Promise<Draft | undefined> {
    if (resource.group !== "authorization.k8s.io" && resource.group !== "authentication.k8s.io")
      return undefined;
    switch (resource.kind) {
      case "SelfSubjectAccessReview":
        return { ...draft, status: await this.#access(user, draft["spec"]) };
      case "SubjectAccessReview":
      case "LocalSubjectAccessReview":
        return { ...draft, status: await this.#access(subjectOf(draft["spec"]), draft["spec"]) };
      case "SelfSubjectRulesReview":
        return { ...draft, status: await this.#rules(user, stringAt(draft, "spec", "namespace") ?? "") };
      case "SelfSubjectReview":
        return {
          ...draft,
          status: { userInfo: { username: user.name, groups: user.groups, uid: user.uid } },
        };
      case "TokenReview":
        return { ...draft, status: this.#token(stringAt(draft, "spec", "token") ?? "") };
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

  #token(token: string): Record<string, unknown> {
    const user = this.#checkToken(token);
    if (!user) return { authenticated: false, error: "invalid bearer token" };
    return { authenticated: true, user: { username: user.name, groups: user.groups, uid: user.uid } };
  }

  /** `serviceaccounts/NAME/token`. @throws StatusError 422 */
  issueToken(account: Readonly<Draft>, request: Record<string, unknown>): Record<string, unknown> {
    const seconds = at(request, "spec", "expirationSeconds") ?? DEFAULT_EXPIRATION;
    if (typeof seconds !== "number" || seconds < MIN_EXPIRATION || seconds > MAX_EXPIRATION) {
      throw errors.invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, "", [
        {
          reason: "FieldValueInvalid",
          message: `Invalid value: ${JSON.stringify(seconds)}: may not specify a duration less than 10 minutes`,
          field: "spec.expirationSeconds",
        },
      ]);
    }
    const { namespace = "", name, uid = "" } = account.metadata;
    const bound = at(request, "spec", "boundObjectRef");
    const { token, expires } = this.#signer.issue(
      {
        namespace,
        name,
        uid,
        audiences: arrayAt(request, "spec", "audiences").map(String),
        expirationSeconds: seconds,
        ...(stringAt(bound, "kind") === "Pod" && {
          pod: { name: stringAt(bound, "name") ?? "", uid: stringAt(bound, "uid") ?? "" },
        }),
      },
      new Date(),
    );
    return {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { name, namespace, creationTimestamp: null },
      spec: {
        audiences: arrayAt(request, "spec", "audiences"),
        expirationSeconds: seconds,
        boundObjectRef: bound ?? null,
      },
      status: { token, expirationTimestamp: timeText(expires) },
    };
  }
}

function subjectOf(spec: unknown): User {
  return { name: stringAt(spec, "user") ?? "", groups: arrayAt(spec, "groups").map(String) };
}
