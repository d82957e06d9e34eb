// What a fresh clone lacks: packages, a build, system tools. Runs before anything is installed, so it uses Node alone.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", 2, 2], ...options });
  if (result.status !== 0) {
    process.stderr.write(`${command} ${args.join(" ")} failed${result.error ? `: ${result.error.message}` : ""}\n`);
    process.exit(result.status ?? 1);
  }
}

function newest(folder, wanted) {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) time = Math.max(time, newest(file, wanted));
    else if (wanted(entry.name)) time = Math.max(time, statSync(file).mtimeMs);
  }
  return time;
}

/** Installs what npm gives, when it was not installed from this very lock file. */
export function ensurePackages() {
  const mark = path.join(ROOT, "node_modules", ".tortie-lock");
  const lock = readFileSync(path.join(ROOT, "package-lock.json"), "utf8");
  if (existsSync(mark) && readFileSync(mark, "utf8") === lock) return;
  process.stderr.write("installing packages …\n");
  run("npm", ["ci", "--ignore-scripts", "--no-fund", "--no-audit", "--loglevel=error"]);
  writeFileSync(mark, lock);
}

/** Builds the command when a source is newer than it. */
export function ensureBuild() {
  const bin = path.join(ROOT, "dist", "bin", "tortie.js");
  const sources = Math.max(
    newest(path.join(ROOT, "src"), (name) => name.endsWith(".ts") && !name.endsWith(".test.ts")),
    statSync(path.join(ROOT, "package.json")).mtimeMs,
  );
  if (existsSync(bin) && statSync(bin).mtimeMs > sources) return;
  process.stderr.write("building …\n");
  run(process.execPath, ["scripts/build.mjs", "--bin-only"]);
}

const PACKAGE_OF = { perl: "perl-base", nft: "nftables", ip: "iproute2", busybox: "busybox-static", unshare: "util-linux", iperf3: "iperf3", chromium: "chromium", etcd: "etcd-server" };

function has(program) {
  const places = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/local/sbin"];
  return places.some((place) => place !== "" && existsSync(path.join(place, program)));
}

/**
 * Sees to system tools: as root on Debian they are installed, elsewhere one line says what to install.
 * @param {readonly string[]} programs
 * @returns {boolean} whether all are there now
 */
export function ensureTools(programs) {
  const missing = programs.filter((program) => !has(program));
  if (missing.length === 0) return true;
  const packages = missing.map((program) => PACKAGE_OF[program] ?? program);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !has("apt-get")) {
    process.stderr.write(`missing: ${missing.join(", ")}; install with: ${isRoot ? "" : "sudo "}apt-get install ${packages.join(" ")}\n`);
    return false;
  }
  process.stderr.write(`installing ${packages.join(", ")} …\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () => spawnSync("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { stdio: ["ignore", "ignore", 2], env });
  if (install().status !== 0) {
    spawnSync("apt-get", ["update", "-q"], { stdio: ["ignore", "ignore", 2], env });
    if (install().status !== 0) {
      process.stderr.write(`could not install ${packages.join(" ")}; going on without\n`);
      return false;
    }
  }
  return true;
}

/** Where tests look for Debian's kubectl. */
const DEBIAN_KUBECTL = path.join(ROOT, "node_modules", ".cache", "tortie", "kubectl-debian");

/**
 * Debian's kubectl, unpacked beside what npm gives and not installed: a machine may have another one.
 * @returns {boolean} whether it is there now
 */
export function ensureDebianKubectl() {
  if (existsSync(DEBIAN_KUBECTL)) return true;
  const folder = `${DEBIAN_KUBECTL}.${process.pid}`;
  mkdirSync(folder, { recursive: true });
  const at = { cwd: folder, stdio: ["ignore", "ignore", "ignore"] };
  const download = () => spawnSync("apt-get", ["download", "-q", "kubernetes-client"], at).status === 0;
  const isThere = download() || (process.getuid?.() === 0 && spawnSync("apt-get", ["update", "-q"], at).status === 0 && download());
  const file = readdirSync(folder).find((name) => name.endsWith(".deb"));
  if (isThere && file && spawnSync("dpkg-deb", ["-x", file, "."], at).status === 0) renameSync(path.join(folder, "usr/bin/kubectl"), DEBIAN_KUBECTL);
  else process.stderr.write("could not download Debian's kubernetes-client; going on without\n");
  rmSync(folder, { recursive: true, force: true });
  return existsSync(DEBIAN_KUBECTL);
}
