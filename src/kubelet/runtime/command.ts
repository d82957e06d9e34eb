/** @module Finding a program as execvp would, so that a missing one is named in containerd's words before anything runs. */
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import { ContainerError } from "./container.ts";

export const DEFAULT_PATH = "/opt/tortie/bin:/bin:/sbin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";

/** The environment of a container's process: what the image gives, then what the pod says. */
export function environment(
  hostname: string,
  env: readonly (readonly [string, string])[],
  tty: boolean,
): Record<string, string> {
  const base: Record<string, string> = { PATH: DEFAULT_PATH, HOSTNAME: hostname, HOME: "/root" };
  // dash expands its prompt each time: this is how busybox's looks.
  const terminal: Record<string, string> = tty ? { TERM: "xterm", PS1: "$PWD # " } : {};
  return { ...base, ...terminal, ...Object.fromEntries(env) };
}

type Found = "found" | "missing" | "denied" | "folder";

function look(file: string): Found {
  const kind = statSync(file, { throwIfNoEntry: false });
  if (!kind) return "missing";
  if (kind.isDirectory()) return "folder";
  try {
    accessSync(file, constants.X_OK);
    return "found";
  } catch {
    return "denied";
  }
}

/** Whether the program can be executed. Call it where "/" is the container's root. */
export function findProgram(program: string, searchPath: string, cwd: string): Found {
  if (program.includes("/")) return look(path.resolve(cwd, program));
  let denied = false;
  for (const folder of searchPath.split(":")) {
    const found = look(path.join(folder || ".", program));
    if (found === "found") return found;
    denied ||= found === "denied";
  }
  return denied ? "denied" : "missing";
}

/** @throws ContainerError when the program cannot be executed. Call it where "/" is the container's root. */
export function checkProgram(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  prefix: string,
): void {
  const program = argv[0] ?? "";
  const found = findProgram(program, env["PATH"] ?? "", cwd);
  if (found === "found") return;
  const denied = found !== "missing";
  const words = program.includes("/")
    ? `stat ${program}: no such file or directory`
    : `executable file not found in $PATH`;
  const said = found === "folder" ? "is a directory" : "permission denied";
  throw new ContainerError(
    "RunContainerError",
    `${prefix}: exec: "${program}": ${denied ? said : words}`,
    denied ? 126 : 127,
  );
}
