/** @module Where etcd is, as a cluster's settings say it. */
import path from "node:path";
import { OpError } from "../base/errors.ts";

/** A Unix socket, or a host and its port. */
export type Endpoint = { readonly socketPath: string } | { readonly host: string; readonly port: number };

export interface EtcdAddress {
  readonly endpoints: readonly Endpoint[];
  /** What all keys begin with; no slash at its end. */
  readonly prefix: string;
}

const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX = "/tortie";

/**
 * `etcd://host:port[,host:port][/prefix]`, or `etcd+unix:///path/to/etcd.sock[/prefix]`, where the path ends with the
 * first part that ends in `.sock`, or in `:PORT` as etcd 3.4 names its sockets.
 * @throws OpError `input-invalid`
 */
export function parseEtcdAddress(text: string): EtcdAddress {
  const [, scheme, rest = ""] = /^(etcd|etcd\+unix):\/\/(.+)$/.exec(text) ?? [];
  const refused = new OpError(
    `${JSON.stringify(text)} is no address of etcd: etcd://host:port[,host:port][/prefix] or etcd+unix:///path/etcd.sock[/prefix]`,
    { code: "input-invalid", facts: { store: text } },
  );
  if (scheme === "etcd+unix") {
    const [, socketPath = rest, prefix = ""] = /^(\/.*?(?:\.sock|:\d+))(\/.*)?$/.exec(rest) ?? [];
    if (!path.isAbsolute(socketPath)) throw refused;
    return { endpoints: [{ socketPath }], prefix: prefixOf(prefix) };
  }
  const slash = rest.indexOf("/");
  const hosts = slash < 0 ? rest : rest.slice(0, slash);
  const endpoints = hosts.split(",").map((one) => {
    const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]@]+))(?::(\d+))?$/.exec(one) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined) throw refused;
    return { host, port: Number(port ?? DEFAULT_PORT) };
  });
  return { endpoints, prefix: prefixOf(slash < 0 ? "" : rest.slice(slash)) };
}

function prefixOf(text: string): string {
  const trimmed = text.replace(/\/+$/, "");
  return trimmed === "" ? DEFAULT_PREFIX : trimmed;
}
