/** @module Files that the build makes and the program needs at run time: beside the program, or where the build puts them. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OpError } from "../base/errors.ts";

/** @throws OpError `file-unreadable` when there was no build */
export function assetPath(name: "launcher.js" | "stand-ins.mjs" | "openapi.json" | "tools.cjs"): string {
  const places = [`./${name}`, `../../dist/bin/${name}`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return found;
  throw new OpError(`${name} is missing beside the program; build it with: npm run build`, {
    code: "file-unreadable",
    facts: { name },
  });
}
