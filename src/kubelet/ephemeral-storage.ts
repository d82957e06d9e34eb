/**
 * @module What pods keep on their node: emptyDirs, logs and writable layers, held to the limits that their authors gave, and
 * to one for each pod and node. A pod that is over one is evicted, in the kubelet's words.
 * @see https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage
 */
import { lstat, opendir, statfs } from "node:fs/promises";
import path from "node:path";
import type { Pod } from "../client/kinds.ts";
import { quantityOf } from "../resources/quantity.ts";

/** Of a pod whose author gave none. */
const POD_LIMIT_BYTES = 2 * 1024 ** 3;
/** Files and folders of one volume: a disk has room for so many, whatever their size. */
const MOST_ENTRIES = 100_000;
const TOO_DEEP = Number.POSITIVE_INFINITY;
/** `stat.blocks` are of that size, whatever the file system's are. */
const BLOCK_BYTES = 512;

export interface FolderUse {
  readonly bytes: number;
  readonly entries: number;
}

/**
 * What a folder takes of its disk. Links are not followed; what others change meanwhile may be missed.
 * Cost: a call for each entry, and it ends at {@link MOST_ENTRIES}.
 */
export async function folderUse(folder: string): Promise<FolderUse> {
  let bytes = 0;
  let entries = 0;
  const waiting = [folder];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    try {
      for await (const entry of await opendir(next)) {
        const file = path.join(next, entry.name);
        if (++entries > MOST_ENTRIES) return { bytes, entries };
        if (entry.isDirectory()) waiting.push(file);
        const found = await lstat(file).catch(() => undefined);
        bytes += (found?.blocks ?? 0) * BLOCK_BYTES;
      }
    } catch (error) {
      // Too deep to be looked at is too much; what is not there is gone meanwhile.
      if ((error as NodeJS.ErrnoException).code === "ENAMETOOLONG") return { bytes, entries: TOO_DEEP };
    }
  }
  return { bytes, entries };
}

/** What is used on the file system that a path is on. */
export async function mountUse(place: string): Promise<number> {
  try {
    const { blocks, bfree, bsize } = await statfs(place);
    return (blocks - bfree) * bsize;
  } catch {
    return 0;
  }
}

export interface PodStorage {
  /** The pod's own folder, with `volumes` and `logs`. */
  readonly directory: string;
  /** The root of each container that has one, as this process sees it. */
  readonly roots: ReadonlyMap<string, string>;
}

export interface StorageFinding {
  /** All that the pod keeps. */
  readonly bytes: number;
  /** What of it is on the node's disk: writable layers are in memory. */
  readonly diskBytes: number;
  /** Why it is evicted; undefined where it is within its limits. */
  readonly excess: string | undefined;
}

/** What a pod keeps, and which of its limits that is over. */
export async function measurePod({ spec }: Pod, { directory, roots }: PodStorage): Promise<StorageFinding> {
  // Its hosts file is its own to write to.
  let { bytes } = await folderUse(path.join(directory, "etc"));
  let excess: string | undefined;
  for (const { name, emptyDir } of spec.volumes ?? []) {
    if (!emptyDir) continue;
    const use = await folderUse(path.join(directory, "volumes", name));
    bytes += use.bytes;
    const limit = quantityOf(emptyDir.sizeLimit);
    // A limit of zero is none, as in the kubelet.
    if (limit !== undefined && limit > 0 && use.bytes > limit)
      excess ??= `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir.sizeLimit}". `;
    if (use.entries > MOST_ENTRIES)
      excess ??= `EmptyDir volume "${name}" has more than ${MOST_ENTRIES} files, or folders too deep to look into. `;
  }
  let podLimit = 0;
  let layers = 0;
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  for (const { name, resources } of containers) {
    const root = roots.get(name);
    const logs = await folderUse(path.join(directory, "logs", name));
    const layer = root === undefined ? 0 : await mountUse(root);
    const own = logs.bytes + layer;
    bytes += own;
    layers += layer;
    const text = resources?.limits?.["ephemeral-storage"];
    const limit = quantityOf(text);
    if (limit === undefined) continue;
    podLimit += limit;
    if (own > limit) excess ??= `Container ${name} exceeded its local ephemeral storage limit "${text}". `;
  }
  const isLimited = spec.containers.every(({ resources }) => resources?.limits?.["ephemeral-storage"]);
  const limit = isLimited ? podLimit : POD_LIMIT_BYTES;
  if (bytes > limit)
    excess ??= `Pod ephemeral local storage usage exceeds the total limit of containers ${limit}. `;
  return { bytes, diskBytes: bytes - layers, excess };
}

/** Whether a pod keeps anything that is worth looking at: most only answer on ports. */
export function keepsFiles({ spec }: Pod, { roots }: PodStorage): boolean {
  return roots.size > 0 || (spec.volumes ?? []).some(({ emptyDir }) => emptyDir);
}
