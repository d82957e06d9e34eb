// After `npm install` changed package-lock.json: a registry mirror may lack the packages of other platforms, and npm
// leaves them out of the lock then, which `npm ci` refuses. This puts them back, each for its platform only.
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
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} packages of other platforms added\n`);
