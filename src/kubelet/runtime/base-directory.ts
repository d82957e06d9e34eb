/**
 * @module What all containers share, made once for a runtime: /bin with busybox's programs, and our own tools where
 * busybox's cannot do what tutorials ask of them.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { OpError } from "../../base/errors.ts";

export interface BaseDirectory {
  /** Becomes a container's /bin. */
  readonly bin: string;
  /** Becomes /opt/tortie. */
  readonly opt: string;
  /** Where each container's root is mounted, in its own mount namespace. */
  readonly root: string;
  /** Files that say nothing, of a container that is nobody's pod. */
  readonly etc: { readonly hosts: string; readonly resolvConf: string };
}

export const TOOLS_DIRECTORY = "/opt/tortie";

/** Served by `src/kubelet/tools/main.ts`. */
export const TOOLS: readonly string[] = "wget nc ncat netcat curl nslookup dig agnhost coredns".split(" ");

/** The programs that a server image has, as processes: for `sh -c "…; nginx -g 'daemon off;'"`. */
export const SERVER_TOOLS: readonly string[] =
  "nginx httpd-foreground apache2-foreground mysqld redis-server mongod memcached".split(" ");

/** Debian's busybox shell runs its own applets before it looks at $PATH, so the shell is dash. */
const SHELLS: readonly string[] = ["sh", "ash", "dash"];

/**
 * busybox's programs that run others prefer its own applets too, so `timeout 5 wget …` would miss our wget. The
 * machine's do not, where it has them.
 */
const RUNNERS: readonly string[] = "timeout env nohup nice xargs find watch time setsid".split(" ");

function find(program: string): string | undefined {
  for (const folder of ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"]) {
    const file = path.join(folder, program);
    if (existsSync(file)) return realpathSync(file);
  }
  return undefined;
}

/** The program's file under its own path where containers see that too, else a copy. */
function bring(program: string, folder: string): string {
  const file = find(program);
  if (file === undefined) {
    throw new OpError(`containers need ${program}; install it with: apt-get install ${program}`, {
      code: "kernel-unavailable",
    });
  }
  if (file.startsWith("/usr/")) return file;
  const copy = path.join(folder, `${program}-program`);
  copyFileSync(file, copy);
  return `/bin/${path.basename(copy)}`;
}

/** @param toolsPath - `tools/main.ts`, bundled as one CommonJS file, which starts faster than a module; without it containers have busybox's tools only */
export function prepareBase(directory: string, toolsPath: string | undefined): BaseDirectory {
  const base = {
    bin: path.join(directory, "base/bin"),
    opt: path.join(directory, "base/opt"),
    root: path.join(directory, "root"),
    etc: { hosts: path.join(directory, "base/hosts"), resolvConf: path.join(directory, "base/resolv.conf") },
  };
  for (const folder of [base.bin, path.join(base.opt, "bin"), base.root])
    mkdirSync(folder, { recursive: true });
  for (const file of Object.values(base.etc)) writeFileSync(file, "");
  const busybox = bring("busybox", base.bin);
  const applets = execFileSync(find("busybox") ?? "busybox", ["--list"], { encoding: "utf8" }).split("\n");
  const links = new Map<string, string>([["busybox", busybox]]);
  for (const applet of applets) if (applet !== "" && applet !== "busybox") links.set(applet, busybox);
  for (const name of RUNNERS) {
    const file = `/usr/bin/${name}`;
    if (existsSync(file)) links.set(name, file);
  }
  const shell = bring("dash", base.bin);
  for (const name of SHELLS) links.set(name, shell);
  if (toolsPath !== undefined) {
    // A mount point: the node program may be anywhere on the machine.
    writeFileSync(path.join(base.opt, "node"), "");
    const program = readFileSync(toolsPath, "utf8").replace(/^#!.*\n/, "");
    writeFileSync(path.join(base.opt, "tool"), `#!${TOOLS_DIRECTORY}/node\n${program}`, { mode: 0o755 });
    for (const tool of [...TOOLS, ...SERVER_TOOLS]) {
      symlinkSync(`${TOOLS_DIRECTORY}/tool`, path.join(base.opt, "bin", tool));
      links.set(tool, `${TOOLS_DIRECTORY}/tool`);
    }
  }
  for (const [name, target] of links) {
    const link = path.join(base.bin, name);
    if (!existsSync(link)) symlinkSync(target, link);
  }
  return base;
}
