/** @module The log of one of the cluster's processes: lines on its standard output, which is a file. */
import { writeSync } from "node:fs";

const STDOUT = 1;

/**
 * What cannot be written is lost, and so many lines are told of when there is room again: a full disk ends nobody.
 * @param write - throws what a file's writing throws
 */
export function processLog(
  write: (text: string) => void = (text) => void writeSync(STDOUT, text),
): (line: string) => void {
  let lost = 0;
  return (line) => {
    const now = new Date().toISOString();
    const before = lost > 0 ? `${now} ${lost} lines before this one could not be written\n` : "";
    try {
      write(`${before}${now} ${line}\n`);
      lost = 0;
    } catch {
      lost++;
    }
  };
}
