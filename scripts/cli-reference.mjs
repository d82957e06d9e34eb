// Writes docs/cli.md from the commands' own help, or with --check says whether it is up to date.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureBuild, ensurePackages, ROOT } from "./prepare.mjs";

ensurePackages();
ensureBuild();
const help = (...argv) => spawnSync(process.execPath, [path.join(ROOT, "dist/bin/tortie.js"), ...argv, "--help"], { encoding: "utf8", env: { ...process.env, COLUMNS: "100" } }).stdout.trimEnd();
const top = help();
const commands = [...top.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: [<[]|\s{2,})/gm)].map((match) => match[1]).filter((name) => name !== "help" && top.indexOf("Commands:") < top.search(new RegExp(`^ {2}${name}\\b`, "m")));
const text = [
  "# Commands",
  "",
  "Made from the commands' own `--help` by `node scripts/cli-reference.mjs`.",
  "",
  "```",
  top,
  "```",
  ...commands.flatMap((name) => ["", `## tortie ${name}`, "", "```", help(name), "```"]),
  "",
].join("\n");
const file = path.join(ROOT, "docs/cli.md");
if (process.argv.includes("--check")) {
  if (readFileSync(file, "utf8") !== text) {
    process.stderr.write("docs/cli.md is not what the commands say: run node scripts/cli-reference.mjs\n");
    process.exit(1);
  }
} else {
  writeFileSync(file, text);
  process.stdout.write(`docs/cli.md: ${commands.join(", ")}\n`);
}
