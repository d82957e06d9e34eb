/** @module A context of the user's kubeconfig as a connection (client-go's clientcmd, what of it needs no other program). */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { OpError } from "../base/errors.ts";
import type { Connection } from "./http-client.ts";

interface Named {
  readonly name?: string;
}

interface Cluster {
  readonly server?: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
}

interface User {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly exec?: { readonly command?: string };
  readonly "auth-provider"?: unknown;
}

interface Kubeconfig {
  readonly clusters?: readonly (Named & { readonly cluster?: Cluster })[];
  readonly users?: readonly (Named & { readonly user?: User })[];
  readonly contexts?: readonly (Named & {
    readonly context?: { readonly cluster?: string; readonly user?: string; readonly namespace?: string };
  })[];
  readonly "current-context"?: string;
}

export interface Context {
  readonly name: string;
  /** Where names without a namespace are looked for. */
  readonly namespace: string | undefined;
  readonly connection: Connection;
}

/** $KUBECONFIG, which may name several files, else ~/.kube/config. */
export function kubeconfigFiles(): string[] {
  const listed = process.env["KUBECONFIG"]?.split(path.delimiter).filter((file) => file !== "");
  return listed && listed.length > 0 ? listed : [path.join(homedir(), ".kube", "config")];
}

/**
 * @param name - undefined: the current one
 * @throws OpError `input-invalid`, `file-unreadable`, `not-found`
 */
export function readContext(name?: string): Context {
  const files = kubeconfigFiles().filter((file) => existsSync(file));
  if (files.length === 0) {
    throw new OpError(`there is no kubeconfig: ${kubeconfigFiles().join(", ")} is not there`, {
      code: "not-found",
    });
  }
  // As kubectl: what an earlier file says holds.
  const configs = files.map((file) => ({ folder: path.dirname(file), config: parse(file) }));
  const wanted = name ?? configs.map(({ config }) => config["current-context"]).find((one) => one);
  if (!wanted)
    throw new OpError("the kubeconfig has no current context; name one with --context", {
      code: "input-invalid",
    });
  const found = find(configs, (config) => config.contexts, wanted);
  if (!found?.entry.context) {
    const known = configs.flatMap(({ config }) => (config.contexts ?? []).map((one) => one.name));
    throw new OpError(
      `the kubeconfig has no context ${wanted}; it has ${known.length > 0 ? known.join(", ") : "none"}`,
      { code: "not-found" },
    );
  }
  const { cluster = "", user = "", namespace } = found.entry.context;
  const clusterFound = find(configs, (config) => config.clusters, cluster);
  const userFound = find(configs, (config) => config.users, user);
  const server = clusterFound?.entry.cluster?.server;
  if (!clusterFound?.entry.cluster || !server)
    throw new OpError(`context ${wanted} names cluster ${cluster}, which the kubeconfig does not have`, {
      code: "input-invalid",
    });
  return {
    name: wanted,
    namespace,
    connection: connectionOf(server, { ...clusterFound, cluster: clusterFound.entry.cluster }, userFound),
  };
}

function connectionOf(
  server: string,
  { folder, cluster }: { readonly folder: string; readonly cluster: Cluster },
  found: { readonly folder: string; readonly entry: { readonly user?: User } } | undefined,
): Connection {
  const user = found?.entry.user ?? {};
  const userFolder = found?.folder ?? folder;
  if (user.exec || user["auth-provider"]) {
    throw new OpError(
      `the user of this context logs in through ${user.exec?.command ?? "a provider"}, which tortie does not run; give it a token: kubectl create token`,
      { code: "input-invalid" },
    );
  }
  const authority = dataOrFile(
    cluster["certificate-authority-data"],
    cluster["certificate-authority"],
    folder,
  );
  const certificate = dataOrFile(user["client-certificate-data"], user["client-certificate"], userFolder);
  const key = dataOrFile(user["client-key-data"], user["client-key"], userFolder);
  const token = user.token ?? dataOrFile(undefined, user.tokenFile, userFolder)?.trim();
  return {
    server,
    ...(authority !== undefined && { authority }),
    ...(cluster["insecure-skip-tls-verify"] && { insecure: true }),
    ...(certificate !== undefined && { certificate }),
    ...(key !== undefined && { key }),
    ...(token !== undefined && { token }),
  };
}

function dataOrFile(data: string | undefined, file: string | undefined, folder: string): string | undefined {
  if (data !== undefined) return Buffer.from(data, "base64").toString();
  if (file === undefined) return undefined;
  const place = path.resolve(folder, file);
  try {
    return readFileSync(place, "utf8");
  } catch (cause) {
    throw new OpError(`the kubeconfig names ${place}, which cannot be read`, {
      code: "file-unreadable",
      cause,
    });
  }
}

function find<T extends Named>(
  configs: readonly { readonly folder: string; readonly config: Kubeconfig }[],
  list: (config: Kubeconfig) => readonly T[] | undefined,
  name: string,
): { readonly folder: string; readonly entry: T } | undefined {
  for (const { folder, config } of configs) {
    const entry = list(config)?.find((one) => one.name === name);
    if (entry) return { folder, entry };
  }
  return undefined;
}

function parse(file: string): Kubeconfig {
  try {
    return (load(readFileSync(file, "utf8")) ?? {}) as Kubeconfig;
  } catch (cause) {
    throw new OpError(`${file} is not a kubeconfig`, { code: "file-unreadable", cause });
  }
}
