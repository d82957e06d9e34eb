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
    token: readFileSync(`${ACCOUNT}/token`, "utf8").trim(),
    authority: readFileSync(`${ACCOUNT}/ca.crt`, "utf8"),
    userAgent,
  };
}
