import { expect, test } from "vitest";
import { processLog } from "./process-log.ts";

test("a log that cannot be written ends nobody, and says later what it lacks", () => {
  const written: string[] = [];
  let isFull = false;
  const log = processLog((text) => {
    if (isFull) throw new Error("ENOSPC: no space left on device, write");
    written.push(text.replaceAll(/\d{4}-\S+Z/g, "NOW"));
  });
  log("one");
  isFull = true;
  log("two");
  log("three");
  isFull = false;
  log("four");
  log("five");
  expect(written).toEqual([
    "NOW one\n",
    "NOW 2 lines before this one could not be written\nNOW four\n",
    "NOW five\n",
  ]);
});
