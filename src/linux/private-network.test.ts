import { expect, test } from "vitest";
import { insidePrivateNetwork, unshareCommand } from "./private-network.ts";

test("root needs no user namespace, everyone else does", () => {
  expect(unshareCommand(["node", "x"], 0)).toEqual(["unshare", "--net", "--", "node", "x"]);
  expect(unshareCommand(["node"], 1000)).toEqual([
    "unshare",
    "--user",
    "--map-root-user",
    "--net",
    "--",
    "node",
  ]);
});

test("without the mark of the namespace that was left, a process is not inside", () => {
  expect(insidePrivateNetwork()).toBe(false);
});
