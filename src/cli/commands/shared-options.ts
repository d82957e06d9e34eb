/** @module Options of several commands. */
import { Option } from "commander";

export const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** Of every command that reads manifests. */
export function excluded(): Option {
  return new Option("--exclude <glob>", "files and folders that are not read, by name or path (repeatable)")
    .argParser(collect)
    .default([], "none");
}
