// npm run bench [model|kernel|cluster|streams|churn|soak]: prints figures beside the aims. Each bench is a process of its own, so that memory
// figures are its own; the kernel's runs inside namespaces.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { ensureBuild, ensurePackages, ensureTools, ROOT } from "./prepare.mjs";

ensurePackages();
ensureTools(["unshare", "iperf3", "busybox", "etcd"]);
const { build } = await import("esbuild");
const wanted = process.argv.slice(2);
const LONG = new Set(["streams", "churn", "soak"]);
const benches = [
  ["model", []],
  ["kernel", ["unshare", ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]), "--net", "--"]],
  // Its cluster makes its own.
  ["cluster", []],
  // These take long, and run when they are named.
  ["streams", []],
  ["churn", []],
  ["soak", []],
].filter(([name]) => (wanted.length === 0 ? !LONG.has(name) : wanted.includes(name)) && existsSync(path.join(ROOT, "bench", `${name}.ts`)));

if (benches.some(([name]) => name === "cluster" || LONG.has(name))) ensureBuild();

let status = 0;
for (const [name, wrap] of benches) {
  const out = path.join(ROOT, "dist", "bench", `${name}.mjs`);
  await build({
    stdin: {
      contents: `import { run } from "./bench/${name}.ts";
await run(({ what, value, aim, note }) => console.log(\`\${what.padEnd(64)} \${value.padEnd(48)} aim: \${aim}\${note ? \`\\n    \${note}\` : ""}\`));
process.exit(0);`,
      resolveDir: ROOT,
      loader: "ts",
    },
    outfile: out,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20.19",
    external: ["koffi", "lmdb"],
    alias: { "@peculiar/x509": "./node_modules/@peculiar/x509/build/x509.cjs.js" },
    banner: { js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);" },
  });
  const [command = process.execPath, ...args] = [...wrap, process.execPath, out];
  const result = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  status = Math.max(status, result.status ?? 1);
}
process.exit(status);
