/** @module A certificate authority of the cluster's own, and what it signs. ECDSA P-256, a year; the authority ten. */
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;
const YEARS = { authority: 10, leaf: 1 };

export interface KeyPair {
  /** PEM */
  readonly certificate: string;
  /** PEM, PKCS #8 */
  readonly key: string;
}

cryptoProvider.set(webcrypto as never);

async function newKeys(): Promise<{ readonly pair: webcrypto.CryptoKeyPair; readonly pem: string }> {
  const pair = (await webcrypto.subtle.generateKey(ALGORITHM, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
  const bytes = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", pair.privateKey));
  return { pair, pem: pemOf("PRIVATE KEY", bytes) };
}

function pemOf(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function validity(years: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  // Clocks differ a little.
  return { notBefore: new Date(now - 60_000), notAfter: new Date(now + years * 365 * DAY_MS) };
}

function serial(): string {
  return Buffer.from(webcrypto.getRandomValues(new Uint8Array(8)))
    .toString("hex")
    .replace(/^[89a-f]/, "7");
}

export async function createAuthority(name: string): Promise<KeyPair> {
  const { pair, pem } = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=${name}`,
    ...validity(YEARS.authority),
    signingAlgorithm: ALGORITHM,
    keys: pair as never,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: pem };
}

export interface Subject {
  readonly commonName: string;
  readonly organization?: string;
  readonly use: "server" | "client";
  /** Of a server. */
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

export async function sign(authority: KeyPair, subject: Subject): Promise<KeyPair> {
  const { pair, pem } = await newKeys();
  const issuer = new X509Certificate(authority.certificate);
  const der = Buffer.from(authority.key.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const signingKey = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
  const names = [
    ...(subject.dnsNames ?? []).map((value) => ({ type: "dns", value }) as const),
    ...(subject.addresses ?? []).map((value) => ({ type: "ip", value }) as const),
  ];
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: `${subject.organization === undefined ? "" : `O=${subject.organization}, `}CN=${subject.commonName}`,
    issuer: issuer.subject,
    ...validity(YEARS.leaf),
    signingAlgorithm: ALGORITHM,
    publicKey: pair.publicKey as never,
    signingKey: signingKey as never,
    extensions: [
      new BasicConstraintsExtension(false),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([
        subject.use === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth,
      ]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n`, key: pem };
}
