// After `npm install` changed package-lock.json: a registry mirror may lack the packages of other platforms, and npm
// leaves them out of the lock then, which `npm ci` refuses. This puts them back, each for its platform only, and asks the
// registry for the integrity of each that has none.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const SYSTEMS = ["android", "darwin", "linux", "freebsd", "netbsd", "openbsd", "sunos", "aix", "win32", "openharmony"];
const PROCESSORS = ["arm64", "arm", "x64", "ia32", "ppc64", "riscv64", "s390x", "loong64", "mips64el"];
let added = 0;
for (const entry of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const key = `node_modules/${name}`;
    if (lock.packages[key] || !/^[0-9]/.test(version)) continue;
    const words = name.split(/[/-]/);
    const os = SYSTEMS.filter((system) => words.includes(system));
    const cpu = PROCESSORS.filter((processor) => words.includes(processor));
    if (os.length === 0) continue;
    lock.packages[key] = { version, ...(cpu.length > 0 && { cpu }), ...(entry.dev && { dev: true }), optional: true, os };
    if (name.endsWith("-musl") || words.includes("musl")) lock.packages[key].libc = ["musl"];
    added++;
  }
}
let completed = 0;
for (const [key, entry] of Object.entries(lock.packages)) {
  if (key === "" || entry.link || entry.integrity) continue;
  const name = entry.name ?? key.slice(key.lastIndexOf("node_modules/") + "node_modules/".length);
  const integrity = execFileSync("npm", ["view", `${name}@${entry.version}`, "dist.integrity"], { encoding: "utf8" }).trim();
  if (!integrity.startsWith("sha512-")) throw new Error(`${name}@${entry.version}: the registry knows no integrity of SHA-512`);
  // Where npm writes it: behind the version.
  const { version, ...rest } = entry;
  lock.packages[key] = { version, integrity, ...rest };
  completed++;
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} packages of other platforms added, ${completed} given their integrity\n`);
