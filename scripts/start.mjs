// npm start: plays the first walkthrough, from a bare clone on.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { ensureBuild, ensurePackages, ensureTools, ROOT } from "./prepare.mjs";

ensurePackages();
ensureBuild();
ensureTools(["unshare", "nft", "ip", "busybox"]);
const { status, signal } = spawnSync(process.execPath, [path.join(ROOT, "dist/bin/tortie.js"), "demo", ...process.argv.slice(2)], { stdio: "inherit" });
process.exit(signal ? 130 : (status ?? 1));
