/** @module What a tool is: words in, an exit code out; and the errors of the network in the C library's words. */
import { lookup } from "node:dns";
import { isIP } from "node:net";

export type Tool = (words: readonly string[], name: string) => Promise<number>;

export function print(text: string | Uint8Array): void {
  process.stdout.write(text);
}

export function complain(text: string): void {
  process.stderr.write(text);
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  ETIMEDOUT: "Connection timed out",
  EPIPE: "Broken pipe",
  EADDRINUSE: "Address already in use",
  EACCES: "Permission denied",
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
};

export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** As strerror says it. */
export function errorWords(error: unknown): string {
  return WORDS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

/** The C library's answer, so that /etc/hosts and resolv.conf count. @returns undefined for an unknown name */
export function resolveName(name: string, family: 0 | 4 | 6 = 0): Promise<string | undefined> {
  const plain = name.replace(/^\[|\]$/g, "");
  if (isIP(plain) !== 0) return Promise.resolve(plain);
  return new Promise((resolve) => {
    lookup(plain, { family }, (error, address) => resolve(error ? undefined : address));
  });
}

/** An address and port as programs print them. */
export function place(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
