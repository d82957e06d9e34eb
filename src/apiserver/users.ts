/** @module Who asks: tokens and client certificates. No token, no answer. */
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { arrayAt, at, stringAt } from "./json.ts";

export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

/** Bearer tokens that do not expire, by the SHA-256 of each in hex: the tokens themselves are kept nowhere. */
export type StaticTokens = ReadonlyMap<string, User>;

export function tokenHash(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

export interface ServiceAccountToken {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound?: BoundObject;
}

/** What a token ends with. */
export interface BoundObject {
  readonly kind: "Pod" | "Secret" | "Node";
  readonly name: string;
  readonly uid: string;
}

/** What a token of ours says. */
export interface TokenClaims {
  readonly user: User;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly audiences: readonly string[];
  readonly bound?: BoundObject;
}

/** Who holds a token, and for which of the wanted audiences it is. */
export interface Authenticated {
  readonly user: User;
  readonly audiences: readonly string[];
}

const ISSUER = "https://kubernetes.default.svc.cluster.local";
/** Whom a token is for that is to open this API. */
export const API_AUDIENCE: string = ISSUER;

/** Signs and checks tokens of service accounts: JWTs with ES256. */
export class TokenSigner {
  readonly #privateKey: ReturnType<typeof createPrivateKey>;
  readonly #publicKey: ReturnType<typeof createPublicKey>;

  /** @param key - PEM of a P-256 private key */
  constructor(key: string) {
    this.#privateKey = createPrivateKey(key);
    this.#publicKey = createPublicKey(this.#privateKey);
  }

  issue(token: ServiceAccountToken, now: Date): { readonly token: string; readonly expires: Date } {
    const issued = Math.floor(now.getTime() / 1000);
    const expires = issued + token.expirationSeconds;
    const header = encode({ alg: "ES256", typ: "JWT" });
    const payload = encode({
      aud: token.audiences.length > 0 ? token.audiences : [API_AUDIENCE],
      exp: expires,
      iat: issued,
      nbf: issued,
      iss: ISSUER,
      jti: randomUUID(),
      sub: `system:serviceaccount:${token.namespace}:${token.name}`,
      "kubernetes.io": {
        namespace: token.namespace,
        serviceaccount: { name: token.name, uid: token.uid },
        ...(token.bound && {
          [token.bound.kind.toLowerCase()]: { name: token.bound.name, uid: token.bound.uid },
        }),
      },
    });
    const text = `${header}.${payload}`;
    const signature = sign("sha256", Buffer.from(text), { key: this.#privateKey, dsaEncoding: "ieee-p1363" });
    return { token: `${text}.${signature.toString("base64url")}`, expires: new Date(expires * 1000) };
  }

  /** @returns undefined when it is not ours, or is not valid now; whether its account is still there is another question */
  check(token: string, now: Date): TokenClaims | undefined {
    const [header, payload, signature, ...rest] = token.split(".");
    if (!header || !payload || !signature || rest.length > 0) return undefined;
    const isOurs = verify(
      "sha256",
      Buffer.from(`${header}.${payload}`),
      { key: this.#publicKey, dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
    if (!isOurs || stringAt(decode(header), "alg") !== "ES256") return undefined;
    const claims = decode(payload);
    return isTimely(claims, now.getTime() / 1000) && stringAt(claims, "iss") === ISSUER
      ? claimsOf(claims)
      : undefined;
  }
}

function isTimely(claims: unknown, seconds: number): boolean {
  const expires = at(claims, "exp");
  const begins = at(claims, "nbf") ?? 0;
  return typeof expires === "number" && typeof begins === "number" && begins <= seconds && seconds < expires;
}

function claimsOf(claims: unknown): TokenClaims {
  const own = at(claims, "kubernetes.io");
  const namespace = stringAt(own, "namespace") ?? "";
  const uid = stringAt(own, "serviceaccount", "uid") ?? "";
  const boundKind = (["Pod", "Secret", "Node"] as const).find(
    (kind) => at(own, kind.toLowerCase()) !== undefined,
  );
  const bound = boundKind && at(own, boundKind.toLowerCase());
  return {
    user: {
      name: stringAt(claims, "sub") ?? "",
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
      uid,
    },
    namespace,
    name: stringAt(own, "serviceaccount", "name") ?? "",
    uid,
    audiences: arrayAt(claims, "aud").map(String),
    ...(boundKind && {
      bound: { kind: boundKind, name: stringAt(bound, "name") ?? "", uid: stringAt(bound, "uid") ?? "" },
    }),
  };
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString());
  } catch {
    return undefined;
  }
}

/** Who holds a token. */
export type CheckToken = (token: string, audiences?: readonly string[]) => Promise<Authenticated | undefined>;

/** @returns undefined when the request does not say who asks, or lies */
export async function authenticate(
  request: IncomingMessage,
  checkToken: CheckToken,
): Promise<User | undefined> {
  const token = bearerToken(request);
  if (token !== undefined) return (await checkToken(token))?.user;
  const { socket } = request;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  // Without a certificate there is no subject, whatever the types say.
  const subject = socket.getPeerCertificate().subject as
    | ReturnType<TLSSocket["getPeerCertificate"]>["subject"]
    | undefined;
  if (!subject?.CN) return undefined;
  const organizations: string | string[] | undefined = subject.O;
  const groups = organizations === undefined ? [] : [organizations].flat();
  return { name: String(subject.CN), groups: [...groups, "system:authenticated"] };
}

export const WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io.";

/** Browsers cannot set a header on a WebSocket: the token may come as a subprotocol. */
function bearerToken(request: IncomingMessage): string | undefined {
  const header = request.headers.authorization;
  if (header !== undefined) return /^Bearer\s+(\S+)$/i.exec(header)?.[1] ?? "";
  const protocols = String(request.headers["sec-websocket-protocol"] ?? "").split(",");
  const named = protocols.map((one) => one.trim()).find((one) => one.startsWith(WEBSOCKET_TOKEN));
  return named && Buffer.from(named.slice(WEBSOCKET_TOKEN.length), "base64url").toString();
}
