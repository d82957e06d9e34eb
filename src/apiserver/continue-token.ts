/** @module Where a list goes on: what `continue` says, to nobody but this server. */
import { stringAt } from "./json.ts";
import { StatusError } from "./status-error.ts";

export function encodeToken(token: { readonly revision: number; readonly after: string }): string {
  return Buffer.from(
    JSON.stringify({ v: "meta.k8s.io/v1", rv: token.revision, start: token.after }),
  ).toString("base64url");
}

/** @throws StatusError 400 */
export function decodeToken(text: string): { revision: number; after: string } {
  try {
    const token: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    const after = stringAt(token, "start");
    const revision = (token as { rv?: unknown }).rv;
    if (after !== undefined && typeof revision === "number") return { revision, after };
  } catch {
    // Told below.
  }
  throw new StatusError(400, "BadRequest", "continue key is not valid: encoded continue token is not valid");
}
