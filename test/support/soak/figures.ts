/** @module What a cluster holds of the machine: processes, namespaces, open files, control groups, files, memory. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { commandLine } from "../cluster.ts";
import { STAND_INS, standInsPid } from "./kills.ts";
import type { Scene } from "./scene.ts";

/** How much of each thing there is, by what it is called. */
export type Holdings = ReadonlyMap<string, number>;

const UID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function linkOf(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

/** The cluster's own processes by name, and the one of the stand-ins. */
export function ownProcesses(scene: Scene): ReadonlyMap<string, number> {
  const found = new Map(
    [...scene.cluster.pids()].filter(([name]) => /^(machine|control-plane|agent-.+)$/.test(name)),
  );
  const standIns = standInsPid(scene);
  if (standIns !== undefined) found.set(STAND_INS, standIns);
  return found;
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}

function filesBelow(folder: string, name = ""): readonly string[] {
  try {
    return readdirSync(path.join(folder, name), { withFileTypes: true }).flatMap((entry) => {
      const file = path.join(name, entry.name);
      return entry.isDirectory() ? [file, ...filesBelow(folder, file)] : [file];
    });
  } catch {
    // Gone meanwhile.
    return [];
  }
}

function foldersBelow(folder: string): number {
  try {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return inside.reduce((sum, { name }) => sum + 1 + foldersBelow(path.join(folder, name)), 0);
  } catch {
    return 0;
  }
}

function cgroupsOf({ layout }: Scene): number {
  if (!existsSync(layout.cgroups)) return 0;
  const { pids, memory } = JSON.parse(readFileSync(layout.cgroups, "utf8")) as Record<string, string>;
  return [...new Set([pids, memory])].reduce((sum, folder) => sum + foldersBelow(folder ?? ""), 0);
}

const LONGEST_COMMAND = 60;

/** What a process is, whoever's it is: `node machine`, `sleep 1000`. */
function kindOf(pid: number): string {
  const [program = "", ...words] = commandLine(pid);
  if (path.basename(program) !== "node")
    return [program, ...words].join(" ").trim().slice(0, LONGEST_COMMAND);
  const verb = words.find((word) => /^(machine|control-plane|agent)$/.test(word));
  const script = words.find((word) => /(stand-ins\.mjs|launcher\.js)$/.test(word));
  return [program, verb ?? script ?? ""]
    .map((word) => path.basename(word))
    .join(" ")
    .trim();
}

/** Of the network that a process is in: what each socket is, by its inode. Those of pods' networks are not among them. */
function socketsSeenBy(pid: number): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [kind, column] of [
    ["unix", 6],
    ["netlink", 9],
    ["tcp", 9],
    ["tcp6", 9],
    ["udp", 9],
    ["raw", 9],
  ] as const) {
    const lines = readText(`/proc/${pid}/net/${kind}`).split("\n").slice(1);
    for (const line of lines) found.set(line.trim().split(/\s+/)[column] ?? "", kind);
  }
  return found;
}

function fileKind(link: string, sockets: ReadonlyMap<string, string>): string {
  const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  if (inode !== undefined) return `socket ${sockets.get(inode) ?? "of another network"}`;
  return link
    .replace(/:?\[\d+\]$/, "")
    .replaceAll(UID, "*")
    .replaceAll(/\d+/g, "N");
}

export function holdingsOf(scene: Scene): Holdings {
  const found = new Map<string, number>();
  const add = (what: string, count = 1): void => void found.set(what, (found.get(what) ?? 0) + count);
  const namespaces = new Set<string>();
  for (const { pid } of scene.cluster.everything()) {
    add(`processes ${kindOf(pid)}`);
    for (const kind of ["net", "mnt", "pid"]) namespaces.add(linkOf(`/proc/${pid}/ns/${kind}`));
  }
  for (const [name, pid] of ownProcesses(scene)) {
    const open = entriesOf(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    const sockets = socketsSeenBy(pid);
    // What is open for a moment, such as the folder that is read here, has no name when it is looked at.
    for (const link of open) if (link !== "") add(`open files of ${name}: ${fileKind(link, sockets)}`);
    for (const link of open) if (/^(net|mnt|pid):\[/.test(link)) namespaces.add(link);
  }
  for (const link of namespaces) if (link !== "") add(`namespaces ${link.split(":")[0]}`);
  add("control groups", cgroupsOf(scene));
  const files = filesBelow(scene.seen(scene.cluster.runFolder)).map((file) =>
    // A container that was started again has a log more; that is no leak of its pod.
    file.replaceAll(/\d+\.log(\.\d+)?$/g, "N.log"),
  );
  for (const file of new Set(files))
    add(
      `files ${file
        .replaceAll(UID, "*")
        .replaceAll(/-[0-9a-z]{5,10}(-[0-9a-z]{5})?(?=[/_]|$)/g, "-*")
        .replaceAll(/\d+/g, "N")}`,
    );
  return found;
}

/** What there is more of than before. */
export function leaksOf(before: Holdings, after: Holdings): readonly string[] {
  return [...after].flatMap(([what, count]) => {
    const had = before.get(what) ?? 0;
    return count > had ? [`${what}: ${had} → ${count}`] : [];
  });
}

/** Resident memory by process, in bytes. */
export function memoryOf(scene: Scene): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [name, pid] of ownProcesses(scene)) {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      found.set(name, Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // It has been killed meanwhile.
    }
  }
  return found;
}
