/** @module A pod's volumes as folders of the machine: emptyDir, ConfigMap, Secret, projected, downward API, the token. */

import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Container, KeyToPath, Volume } from "kubernetes-types/core/v1.js";
import { ownValue } from "../base/own.ts";
import type { Client } from "../client/client.ts";
import type { Pod } from "../client/kinds.ts";
import { ConfigError } from "./config-error.ts";
import { dataOf, expand, type PodFacts, podField } from "./environment.ts";
import type { Mount } from "./runtime/container.ts";
import { replaceFile, type TokenFiles } from "./token-files.ts";

export interface MadeVolume {
  readonly folder: string;
  /** What we write into ourselves, again and again, is nobody else's to write to. */
  readonly readOnly: boolean;
}

export interface VolumeSources {
  readonly client: Client;
  readonly facts: PodFacts;
  readonly tokens: TokenFiles;
}

const TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Files by their path in the volume. */
type Files = Map<string, Buffer>;

/**
 * Makes the folders of all volumes below `directory`; called again, it writes what has changed and removes what is gone.
 * @returns them by the volume's name
 * @throws ConfigError when something it refers to is not there, or the kind of volume is not known
 */
export async function makeVolumes(
  directory: string,
  sources: VolumeSources,
): Promise<ReadonlyMap<string, MadeVolume>> {
  const made = new Map<string, MadeVolume>();
  for (const volume of sources.facts.pod.spec.volumes ?? []) {
    const folder = path.join(directory, volume.name);
    await mkdir(folder, { recursive: true });
    const files = await filesOf(volume, sources);
    if (files) await writeFiles(folder, files, sources.tokens);
    else if (volume.emptyDir) await chmod(folder, 0o777);
    for (const { serviceAccountToken: wish } of volume.projected?.sources ?? []) {
      const file = wish && fileIn(folder, wish.path);
      if (!wish || file === undefined || sources.tokens.has(file)) continue;
      const { expirationSeconds: seconds, audience } = wish;
      await sources.tokens.write(file, sources.facts.pod, { seconds, audience });
    }
    made.set(volume.name, { folder, readOnly: volume.emptyDir === undefined });
  }
  return made;
}

async function writeFiles(folder: string, files: Files, tokens: TokenFiles): Promise<void> {
  const wanted = new Set<string>();
  for (const [name, content] of files) {
    const file = fileIn(folder, name);
    wanted.add(file);
    const before = await readFile(file).catch(() => undefined);
    if (before?.equals(content)) continue;
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, content);
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isFile() && !wanted.has(file) && !tokens.has(file)) await rm(file);
  }
}

/** @throws ConfigError */
function fileIn(folder: string, name: string): string {
  const file = path.join(folder, name);
  if (!file.startsWith(`${folder}/`)) throw new ConfigError(`the path ${name} leaves its volume`);
  return file;
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
    for (const { configMap, secret, downwardAPI } of volume.projected.sources ?? []) {
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
      const content = ownValue(data, key);
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

/** The account's token where pods look for it, unless the pod says that it wants none. */
export async function makeToken(
  directory: string,
  { pod, tokens, authority }: { readonly pod: Pod; readonly tokens: TokenFiles; readonly authority: string },
): Promise<Mount | undefined> {
  if (pod.spec.automountServiceAccountToken === false) return undefined;
  const folder = path.join(directory, "serviceaccount");
  await mkdir(folder, { recursive: true });
  await tokens.write(path.join(folder, "token"), pod);
  await writeFile(path.join(folder, "ca.crt"), authority);
  await writeFile(path.join(folder, "namespace"), pod.metadata.namespace ?? "");
  return { source: folder, target: TOKEN_PATH, readOnly: true };
}

/**
 * @param values - the container's environment, for `subPathExpr`
 * @throws ConfigError when a mount names a volume that is not there, or its path in it is none
 */
export function mountsOf(
  container: Container,
  volumes: ReadonlyMap<string, MadeVolume>,
  values: ReadonlyMap<string, string>,
): Mount[] {
  return (container.volumeMounts ?? []).map(({ name, mountPath, readOnly, subPath, subPathExpr }) => {
    const volume = volumes.get(name);
    if (volume === undefined)
      throw new ConfigError(`volumeMount ${JSON.stringify(name)} is not a volume of the pod`);
    const part = subPathExpr ? expandAll(subPathExpr, values) : subPath;
    if (part && (path.isAbsolute(part) || part.split("/").includes("..")))
      throw new ConfigError(`subPath ${JSON.stringify(part)} must be a relative path without '..'`);
    return {
      source: volume.folder,
      ...(part && { subPath: part }),
      target: mountPath,
      readOnly: readOnly === true || volume.readOnly,
    };
  });
}

/** A variable that there is not makes a path of no meaning. @throws ConfigError */
function expandAll(text: string, values: ReadonlyMap<string, string>): string {
  const missing = [...text.matchAll(/\$\$|\$\(([^)]*)\)/g)].flatMap(([, name]) =>
    name === undefined || values.has(name) ? [] : [name],
  );
  if (missing.length > 0)
    throw new ConfigError(`missing value for ${JSON.stringify(missing.join(", "))} in subPathExpr`);
  return expand(text, values);
}
