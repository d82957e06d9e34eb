// Writes docs/cli.md from the commands' own help, or with --check says whether it is up to date.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ensureBuild, ensurePackages, ROOT } from "./prepare.mjs";

ensurePackages();
ensureBuild();
const help = (...argv) => spawnSync(process.execPath, [path.join(ROOT, "dist/bin/tortie.js"), ...argv, "--help"], { encoding: "utf8", env: { ...process.env, COLUMNS: "100" } }).stdout.trimEnd();
/** The commands that a help text lists. */
const listed = (text) => {
  const at = text.indexOf("\nCommands:\n");
  if (at < 0) return [];
  const end = text.indexOf("\n\n", at + 1);
  const lines = text.slice(at, end < 0 ? undefined : end);
  return [...lines.matchAll(/^ {2}([a-z]+)(?= )/gm)].map((match) => match[1]).filter((name) => name !== "help");
};
const section = (names) => {
  const text = help(...names);
  const title = `${"#".repeat(names.length + 1)} tortie ${names.join(" ")}`;
  return ["", title, "", "```", text, "```", ...listed(text).flatMap((name) => section([...names, name]))];
};
const top = help();
const commands = listed(top);
const text = [
  "# Commands",
  "",
  "Made from the commands' own `--help` by `node scripts/cli-reference.mjs`.",
  "",
  "```",
  top,
  "```",
  ...commands.flatMap((name) => section([name])),
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
