/**
 * @module Whose a token is, and whether it still holds: a ServiceAccount's token ends with the account, and with the
 * object that it is bound to. Source: kubernetes' pkg/serviceaccount (claims.go).
 *
 * Cost: nothing for tokens that do not expire; for a ServiceAccount's a signature, and one read by key in the store for
 * the account and one for what it is bound to (a map look-up but for etcd; decoded once a version).
 */
import type { Store } from "../store/store.ts";
import { objectOf } from "./objects.ts";
import type { Draft } from "./served.ts";
import {
  API_AUDIENCE,
  type Authenticated,
  type BoundObject,
  type StaticTokens,
  type TokenSigner,
  tokenHash,
} from "./users.ts";

/** As kube-apiserver: what is deleted still counts for so long, so that it can say goodbye. */
const LEEWAY_MS = 60_000;

interface BoundKind {
  readonly kind: BoundObject["kind"];
  readonly plural: string;
  readonly namespaced: boolean;
}

const BOUND_KINDS: readonly BoundKind[] = [
  { kind: "Pod", plural: "pods", namespaced: true },
  { kind: "Secret", plural: "secrets", namespaced: true },
  { kind: "Node", plural: "nodes", namespaced: false },
];

/** @returns undefined when no token can be bound to such an object */
export function boundKind(apiVersion: string, kind: string): BoundKind | undefined {
  return apiVersion === "v1" ? BOUND_KINDS.find((one) => one.kind === kind) : undefined;
}

export class Tokens {
  readonly #store: Store;
  readonly #fixed: StaticTokens;
  readonly #signer: TokenSigner;

  constructor(store: Store, fixed: StaticTokens, signer: TokenSigner) {
    this.#store = store;
    this.#fixed = fixed;
    this.#signer = signer;
  }

  /** @returns undefined when it is nobody's, does not hold any more, or is for somebody else than `audiences` */
  async check(
    token: string,
    audiences: readonly string[] = [API_AUDIENCE],
  ): Promise<Authenticated | undefined> {
    const fixed = this.#fixed.get(tokenHash(token));
    if (fixed)
      return audiences.includes(API_AUDIENCE) ? { user: fixed, audiences: [API_AUDIENCE] } : undefined;
    const claims = this.#signer.check(token, new Date());
    const common = claims?.audiences.filter((one) => audiences.includes(one)) ?? [];
    if (!claims || common.length === 0) return undefined;
    const { namespace, name, uid, bound } = claims;
    const account = await this.#read("serviceaccounts", namespace, name);
    if (!holds(account, uid)) return undefined;
    const kind = BOUND_KINDS.find((one) => one.kind === bound?.kind);
    if (bound && !(kind && holds(await this.bound(kind, namespace, bound.name), bound.uid))) return undefined;
    return { user: claims.user, audiences: common };
  }

  /** The object that a token is bound to. */
  bound(kind: BoundKind, namespace: string, name: string): Promise<Readonly<Draft> | undefined> {
    return this.#read(kind.plural, kind.namespaced ? namespace : undefined, name);
  }

  async #read(
    plural: string,
    namespace: string | undefined,
    name: string,
  ): Promise<Readonly<Draft> | undefined> {
    const place = namespace === undefined ? name : `${namespace}/${name}`;
    const entry = await this.#store.get(`/registry/core/${plural}/${place}`);
    return entry && objectOf(entry);
  }
}

function holds(object: Readonly<Draft> | undefined, uid: string): boolean {
  if (!object || object.metadata.uid !== uid) return false;
  const { deletionTimestamp } = object.metadata;
  return deletionTimestamp === undefined || Date.parse(deletionTimestamp) + LEEWAY_MS > Date.now();
}
