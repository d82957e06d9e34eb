/** @module The schemas of the built-in kinds, for tests: made anew, so that no build is needed before them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Schemas } from "./schema.ts";

export function builtInSchemas(): Schemas {
  const folder = mkdtempSync(join(tmpdir(), "tortie-openapi-"));
  try {
    const file = join(folder, "openapi.json");
    const script = fileURLToPath(new URL("../../../scripts/openapi.mjs", import.meta.url));
    execFileSync(process.execPath, [script, file]);
    return new Schemas(JSON.parse(readFileSync(file, "utf8")));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
