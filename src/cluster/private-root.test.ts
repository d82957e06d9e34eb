import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { ownFolders } from "./private-root.ts";

test("a cluster sees its packages and Node, and not the project or home that they are in", () => {
  const home = realpathSync(mkdtempSync(path.join(tmpdir(), "tortie-home.")));
  try {
    const own = path.join(home, "node_modules/tortie");
    for (const folder of ["bin", "node_modules/tortie/dist/bin"])
      mkdirSync(path.join(home, folder), { recursive: true });
    for (const file of ["package.json", "bin/node", "node_modules/tortie/package.json"])
      writeFileSync(path.join(home, file), "");
    writeFileSync(path.join(own, "dist/bin/tortie.js"), "");
    const folders = ownFolders(path.join(own, "dist/bin/tortie.js"), path.join(home, "bin/node"));
    expect(folders.filter((folder) => folder.startsWith(home))).toEqual([
      path.join(home, "bin"),
      own,
      path.join(home, "node_modules"),
    ]);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
