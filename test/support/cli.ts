/** @module The built command, as people start it. */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** `dist/bin/tortie.js`. @throws when nobody has built it */
export function builtCommand(): string {
  const file = path.join(ROOT, "dist", "bin", "tortie.js");
  if (!existsSync(file)) throw new Error(`${file} is not there: node scripts/build.mjs --bin-only`);
  return file;
}
