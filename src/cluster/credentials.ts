/** @module The keys of a cluster: made once, read by its parts. Files are their user's alone. */
import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { tokenHash, type User } from "../apiserver/users.ts";
import type { KeyPair } from "./certificates.ts";
import { writeWhole } from "./disk-space.ts";
import type { Layout } from "./layout.ts";

export interface Credentials {
  readonly authority: string;
  readonly server: KeyPair;
  readonly admin: KeyPair;
  /** Signs service accounts' tokens. */
  readonly signingKey: string;
  /** Of the cluster's own parts, by name. */
  readonly tokens: Readonly<Record<string, string>>;
}

export interface CredentialsRequest {
  readonly nodes: readonly string[];
  /** Names and addresses of the API. */
  readonly addresses: readonly string[];
}

const FILE = "credentials.json";

interface Stored extends Credentials {
  readonly authorityKey: string;
  readonly madeFor: string;
}

export function readCredentials(layout: Layout): Credentials | undefined {
  const file = path.join(layout.pki, FILE);
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Stored) : undefined;
}

/** Makes what is missing, or ends soon. The library that makes certificates is loaded only then. */
export async function ensureCredentials(layout: Layout, request: CredentialsRequest): Promise<Credentials> {
  const known = readCredentials(layout) as Stored | undefined;
  const madeFor = [...request.addresses, ...request.nodes].join(" ");
  if (known?.madeFor === madeFor && isFresh(known.server) && isFresh(known.admin)) return known;
  const { createAuthority, sign } = await import("./certificates.ts");
  const authority = known
    ? { certificate: known.authority, key: known.authorityKey }
    : await createAuthority(`tortie-${layout.name}`);
  const dnsNames = [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
  ];
  const stored: Stored = {
    authority: authority.certificate,
    authorityKey: authority.key,
    madeFor,
    server: await sign(authority, {
      commonName: "kube-apiserver",
      use: "server",
      dnsNames,
      addresses: request.addresses,
    }),
    admin:
      known && isFresh(known.admin)
        ? known.admin
        : await sign(authority, {
            commonName: "kubernetes-admin",
            organization: "system:masters",
            use: "client",
          }),
    signingKey: known?.signingKey ?? newSigningKey(),
    tokens: Object.fromEntries(
      ["admin", ...request.nodes.flatMap((node) => [`node:${node}`, `agent:${node}`])].map((name) => [
        name,
        known?.tokens[name] ?? randomBytes(24).toString("base64url"),
      ]),
    ),
  };
  writeWhole(path.join(layout.pki, FILE), JSON.stringify(stored));
  return stored;
}

const RENEWED_DAYS = 30;

/** Whether a certificate holds for a while yet: clusters are older than a day, and seldom up for a month. */
function isFresh({ certificate }: KeyPair): boolean {
  const ends = Date.parse(new X509Certificate(certificate).validTo);
  return ends - Date.now() > RENEWED_DAYS * 86_400_000;
}

function newSigningKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Who each of the cluster's own tokens is. */
export function usersOf({ tokens }: Credentials): ReadonlyMap<string, User> {
  return new Map(Object.entries(tokens).map(([name, token]) => [tokenHash(token), userOf(name)]));
}

function userOf(name: string): User {
  const [part, node] = name.split(":");
  if (part === "node")
    return { name: `system:node:${node}`, groups: ["system:nodes", "system:authenticated"] };
  if (part === "agent")
    return { name: `tortie:agent:${node}`, groups: ["tortie:agents", "system:authenticated"] };
  return { name: "kubernetes-admin", groups: ["system:masters", "system:authenticated"] };
}
