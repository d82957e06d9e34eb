/** @module A pod's volumes as folders of the machine: emptyDir, ConfigMap, Secret, projected, downward API, the token. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Container, KeyToPath, Volume } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import { SERVICE_ACCOUNTS } from "../client/kinds.ts";
import type { KubeObject } from "../client/objects.ts";
import { ConfigError } from "./config-error.ts";
import { dataOf, type PodFacts, podField } from "./environment.ts";
import type { Mount } from "./runtime/container.ts";

export interface VolumeSources {
  readonly client: Client;
  readonly facts: PodFacts;
  /** Who signs the API's certificate: `ca.crt` beside every token. */
  readonly authority: string;
}

const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_SECONDS = 3607;

/** Files by their path in the volume. */
type Files = Map<string, Buffer>;

/**
 * Makes the folders of all volumes below `directory`.
 * @returns the folder of each, by the volume's name
 * @throws ConfigError when something it refers to is not there, or the kind of volume is not known
 */
export async function makeVolumes(
  directory: string,
  sources: VolumeSources,
): Promise<ReadonlyMap<string, string>> {
  const folders = new Map<string, string>();
  for (const volume of sources.facts.pod.spec.volumes ?? []) {
    const folder = path.join(directory, volume.name);
    await mkdir(folder, { recursive: true });
    const files = await filesOf(volume, sources);
    if (files) await writeFiles(folder, files);
    else if (volume.emptyDir) await chmod(folder, 0o777);
    folders.set(volume.name, folder);
  }
  return folders;
}

async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, content] of files) {
    const file = path.join(folder, name);
    if (!file.startsWith(`${folder}/`)) throw new ConfigError(`the path ${name} leaves its volume`);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
}

/** @returns undefined for a folder that is the pod's own to fill */
async function filesOf(volume: Volume, sources: VolumeSources): Promise<Files | undefined> {
  if (volume.emptyDir) return undefined;
  if (volume.configMap) {
    const { name = "", items, optional } = volume.configMap;
    return chosen(await dataOf(sources, "ConfigMap", name, optional === true), items, name);
  }
  if (volume.secret) {
    const { secretName = "", items, optional } = volume.secret;
    return chosen(await dataOf(sources, "Secret", secretName, optional === true), items, secretName);
  }
  if (volume.downwardAPI) return downward(volume.downwardAPI.items ?? [], sources);
  if (volume.projected) {
    const all: Files = new Map();
    for (const { configMap, secret, downwardAPI, serviceAccountToken } of volume.projected.sources ?? []) {
      const part = configMap
        ? chosen(
            await dataOf(sources, "ConfigMap", configMap.name ?? "", configMap.optional === true),
            configMap.items,
            configMap.name ?? "",
          )
        : secret
          ? chosen(
              await dataOf(sources, "Secret", secret.name ?? "", secret.optional === true),
              secret.items,
              secret.name ?? "",
            )
          : downwardAPI
            ? downward(downwardAPI.items ?? [], sources)
            : serviceAccountToken
              ? new Map([
                  [
                    serviceAccountToken.path,
                    Buffer.from(await requestToken(sources, serviceAccountToken.expirationSeconds)),
                  ],
                ])
              : new Map<string, Buffer>();
      for (const [name, content] of part) all.set(name, content);
    }
    return all;
  }
  const kind = Object.keys(volume).find((field) => field !== "name") ?? "unknown";
  throw new ConfigError(
    `volume ${JSON.stringify(volume.name)}: ${kind} is not supported here; use emptyDir, configMap, secret, projected or downwardAPI`,
  );
}

function chosen(
  data: Record<string, Buffer> | undefined,
  items: readonly KeyToPath[] | undefined,
  name: string,
): Files {
  if (!data) return new Map();
  if (!items) return new Map(Object.entries(data));
  return new Map(
    items.map(({ key, path: target }) => {
      const content = data[key];
      if (!content) throw new ConfigError(`references non-existent config key: ${key} of ${name}`);
      return [target, content];
    }),
  );
}

function downward(
  items: readonly { path: string; fieldRef?: { fieldPath: string } }[],
  { facts }: VolumeSources,
): Files {
  return new Map(
    items.flatMap((item) =>
      item.fieldRef ? [[item.path, Buffer.from(podField(item.fieldRef.fieldPath, facts))] as const] : [],
    ),
  );
}

async function requestToken({ client, facts }: VolumeSources, seconds = TOKEN_SECONDS): Promise<string> {
  const { metadata, spec } = facts.pod;
  const name = spec.serviceAccountName ?? "default";
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: { name, namespace: metadata.namespace },
    spec: {
      expirationSeconds: Math.max(600, seconds),
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: metadata.name, uid: metadata.uid },
    },
  };
  const answer = await client.create(SERVICE_ACCOUNTS as never, request as unknown as KubeObject, "token");
  return (answer as unknown as { status: { token: string } }).status.token;
}

/** The account's token where pods look for it, unless the pod says that it wants none. */
export async function makeToken(directory: string, sources: VolumeSources): Promise<Mount | undefined> {
  const { pod } = sources.facts;
  if (pod.spec.automountServiceAccountToken === false) return undefined;
  const folder = path.join(directory, "serviceaccount");
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "token"), await requestToken(sources));
  await writeFile(path.join(folder, "ca.crt"), sources.authority);
  await writeFile(path.join(folder, "namespace"), pod.metadata.namespace ?? "");
  return { source: folder, target: TOKEN_PATH, readOnly: true };
}

/** @throws ConfigError when a mount names a volume that is not there */
export function mountsOf(container: Container, folders: ReadonlyMap<string, string>): Mount[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly, subPath }) => {
    const folder = folders.get(name);
    if (folder === undefined)
      throw new ConfigError(`volumeMount ${JSON.stringify(name)} is not a volume of the pod`);
    const source = subPath ? path.join(folder, subPath) : folder;
    if (source !== folder && !source.startsWith(`${folder}/`))
      throw new ConfigError(`subPath ${subPath} leaves its volume`);
    return { source, target: mountPath, readOnly: readOnly === true };
  });
}
