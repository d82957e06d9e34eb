/** @module The API as a pod finds it: its Service's address, its account's token (client-go's rest.InClusterConfig). */
import { readFileSync } from "node:fs";
import type { Connection } from "./http-client.ts";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** @throws Error outside of a cluster */
export function inClusterConnection(userAgent: string): Connection {
  const host = process.env["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = process.env["KUBERNETES_SERVICE_PORT"] ?? "443";
  const isIpv6 = host.includes(":");
  return {
    server: `https://${isIpv6 ? `[${host}]` : host}:${port}`,
    token: tokenFrom(`${ACCOUNT}/token`),
    authority: readFileSync(`${ACCOUNT}/ca.crt`, "utf8"),
    userAgent,
  };
}

/** So often the file is looked at again: as client-go, well before the old token expires. */
const FRESH_MS = 60_000;

function tokenFrom(file: string): () => string {
  let token = readFileSync(file, "utf8").trim();
  let readAt = Date.now();
  return () => {
    if (Date.now() - readAt > FRESH_MS) {
      token = readFileSync(file, "utf8").trim();
      readAt = Date.now();
    }
    return token;
  };
}
