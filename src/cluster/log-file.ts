/** @module The end of a log, for messages that say why something did not start. */
import { existsSync, readFileSync } from "node:fs";

const LINES = 5;

/** @returns "" where there is none; else a line break, and the lines */
export function lastLines(file: string): string {
  if (!existsSync(file)) return "";
  const lines = readFileSync(file, "utf8").trimEnd().split("\n").slice(-LINES);
  return `\n${lines.map((line) => `  ${line}`).join("\n")}\n  (the whole log is ${file})`;
}
