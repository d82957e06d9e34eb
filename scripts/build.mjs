// Builds the command (bundled, so that it starts fast) and the library (a file a module, with types).
import { execFileSync } from "node:child_process";
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

rmSync("dist/bin", { recursive: true, force: true });
await build({
  // The second is what threads of the machine run.
  entryPoints: { tortie: "src/cli/main.ts", launcher: "src/kubelet/runtime/launcher/thread.ts" },
  outdir: "dist/bin",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  minifySyntax: true,
  external: ["koffi", "lmdb"],
  // The package's ES module asks for a polyfill before it can be given one.
  alias: { "@peculiar/x509": "./node_modules/@peculiar/x509/build/x509.cjs.js" },
  define: { TORTIE_VERSION: JSON.stringify(version) },
  banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  logLevel: "warning",
});
// What containers have for wget, nc and their like: one file, since it is mounted into them.
await build({
  entryPoints: { tools: "src/kubelet/tools/main.ts" },
  outdir: "dist/bin",
  outExtension: { ".js": ".cjs" },
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20.19",
  minify: true,
  logLevel: "warning",
});
// What answers for containers without a process: one file too, in a container of its own.
await build({
  entryPoints: { "stand-ins": "src/kubelet/images/stand-in-process.ts" },
  outdir: "dist/bin",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  external: ["koffi"],
  logLevel: "warning",
});
execFileSync(process.execPath, ["scripts/openapi.mjs", "dist/bin/openapi.json"], { stdio: "inherit" });
const bin = "dist/bin/tortie.js";
const { writeFileSync } = await import("node:fs");
writeFileSync(bin, `#!/usr/bin/env node\n${readFileSync(bin, "utf8")}`);
chmodSync(bin, 0o755);
if (!process.argv.includes("--bin-only")) {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b", "src/cli"], { stdio: "inherit" });
}
