/** @module The process of the machine: `tortie machine --name N`, executed in namespaces of its own. */
import { closeSync, read, readdirSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { OpError } from "../base/errors.ts";
import { formatIssue } from "../base/issue.ts";
import { ImageCatalogue } from "../kubelet/images/catalogue.ts";
import type { CgroupRoot } from "../linux/cgroups.ts";
import { O_CLOEXEC } from "../linux/constants.ts";
import { removeFolderSync } from "../linux/remove-folder.ts";
import { assetPath } from "./assets.ts";
import { serveMachine } from "./control-socket.ts";
import { readCredentials } from "./credentials.ts";
import { LastResort } from "./last-resort.ts";
import { CGROUPS, type Layout, layoutOf, STARTED_AGAIN } from "./layout.ts";
import { Machine } from "./machine.ts";
import { processLog } from "./process-log.ts";
import { readSettings, type Settings } from "./settings.ts";

/** The API's socket, and where we tell how far we are. */
const API_DESCRIPTOR = 3;
const NEWS_DESCRIPTOR = 4;
/** The table of the host's connections. */
const HOST_SOCKETS_DESCRIPTOR = 5;

const readSome = promisify(read);

export type MachineNews = { readonly ready: true } | { readonly failed: string };

/** Containers would inherit what our caller had open: a shell's files, say, which are none of theirs. */
function closeInherited(): void {
  for (const text of readdirSync("/proc/self/fdinfo")) {
    const fd = Number(text);
    if (fd <= HOST_SOCKETS_DESCRIPTOR) continue;
    try {
      const flags = /^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/self/fdinfo/${text}`, "utf8"))?.[1];
      // What Node itself has opened is closed on exec.
      if (flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0) closeSync(fd);
    } catch {
      // The one that the folder was read with.
    }
  }
}

/**
 * Whoever started us writes a word to our input when our keys are there. The descriptor stays open, lest another file get
 * its number.
 * @returns false when they are gone without a word
 */
async function isToBegin(): Promise<boolean> {
  const { bytesRead } = await readSome(0, Buffer.alloc(1), 0, 1, null);
  return bytesRead > 0;
}

export async function runMachine(name: string, version: string): Promise<void> {
  closeInherited();
  const isAgain = process.env[STARTED_AGAIN] !== undefined;
  if (!isAgain && !(await isToBegin())) return;
  const layout = layoutOf(name);
  // Of the machine before us: nothing of it runs.
  if (isAgain) clearRun(layout);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials)
    throw new OpError(`there is no cluster ${name}`, { code: "cluster-missing", facts: { name } });
  const log = processLog();
  new LastResort({ log, end: (code) => process.exit(code) }).install();
  try {
    const machine = await Machine.start({
      layout,
      settings,
      credentials,
      version,
      catalogue: readCatalogue(settings, layout),
      toolsPath: assetPath("tools.cjs"),
      launcherPath: assetPath("launcher.js"),
      standInsPath: assetPath("stand-ins.mjs"),
      cgroups: (JSON.parse(process.env[CGROUPS] ?? "null") as CgroupRoot | null) ?? undefined,
      apiDescriptor: API_DESCRIPTOR,
      hostSocketsDescriptor: HOST_SOCKETS_DESCRIPTOR,
      log,
    });
    const end = async (): Promise<void> => {
      log("going down");
      await machine.stop();
      process.exit(0);
    };
    process.on("SIGTERM", () => void end());
    process.on("SIGINT", () => void end());
    await serveMachine(layout, machine, () => void end());
    tell({ ready: true });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    log(`did not start: ${words}`);
    tell({ failed: words });
    // The other processes end with this one: it is their namespace's first.
    process.exit(1);
  }
}

/** Pods start as after a reboot. */
function clearRun({ run }: Layout): void {
  for (const name of ["pods", "kubelets", "runtime"]) removeFolderSync(path.join(run, name));
}

function tell(news: MachineNews): void {
  try {
    writeSync(NEWS_DESCRIPTOR, `${JSON.stringify(news)}\n`);
  } catch {
    // Whoever started us does not listen any more.
  }
}

/** @throws OpError `input-invalid` */
function readCatalogue({ images }: Settings, layout: Layout): ImageCatalogue {
  const catalogue = new ImageCatalogue();
  if (images === undefined) return catalogue;
  const issues = catalogue.load(readFileSync(layout.images, "utf8"), images);
  if (issues.length > 0) throw new OpError(issues.map(formatIssue).join("\n"), { code: "input-invalid" });
  return catalogue;
}
