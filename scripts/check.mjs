// npm run check: format, lint, types, layers, dead code, lock file. All are run; the first that fails decides the status.
import { spawnSync } from "node:child_process";
import { ensurePackages, ROOT } from "./prepare.mjs";

ensurePackages();
const bin = (name) => `node_modules/.bin/${name}`;
const steps = [
  ["format and lint", bin("biome"), ["check", "."]],
  ["types", bin("tsc"), ["-b"]],
  ["promises and switches", bin("eslint"), ["src", "test", "bench"]],
  ["layers", bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "src"]],
  ["dead code", bin("knip"), []],
  ["lock file", process.execPath, ["scripts/check-lock.mjs"]],
];
let status = 0;
for (const [name, command, args] of steps) {
  const started = performance.now();
  const result = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`${result.status === 0 ? "ok" : "FAILED"}  ${name} (${seconds} s)\n`);
  if (result.status !== 0) status = 1;
}
process.exit(status);
