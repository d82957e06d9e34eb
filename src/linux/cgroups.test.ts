import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Cgroup, delegateCgroup, joinCgroup } from "./cgroups.ts";

let mount = "";
beforeEach(() => {
  mount = mkdtempSync(path.join(tmpdir(), "tortie-cgroup."));
});
afterEach(() => rmSync(mount, { recursive: true, force: true }));

const read = (...parts: string[]): string => readFileSync(path.join(mount, ...parts), "utf8");

/** A file system of control groups, as far as files go. */
function unified(): void {
  writeFileSync(path.join(mount, "cgroup.controllers"), "cpu memory pids\n");
  writeFileSync(path.join(mount, "cgroup.subtree_control"), "");
}

const delegation = { name: "tortie-0-c", user: undefined, processes: 500 };

test("version 2: a group at the top gives both controllers to those below it", () => {
  unified();
  const root = delegateCgroup({ ...delegation, mount, own: "0::/user.slice\n" });
  expect(root).toEqual({
    version: 2,
    pids: path.join(mount, "tortie-0-c"),
    memory: path.join(mount, "tortie-0-c"),
  });
  expect(read("cgroup.subtree_control")).toBe("+pids +memory");
  expect(read("tortie-0-c", "cgroup.subtree_control")).toBe("+pids +memory");
  expect(read("tortie-0-c", "pids.max")).toBe("500");
});

test("version 2: who may not write at the top has a group of its own", () => {
  writeFileSync(path.join(mount, "cgroup.controllers"), "memory pids\n");
  // What may not be written is no file here.
  mkdirSync(path.join(mount, "cgroup.subtree_control"));
  mkdirSync(path.join(mount, "user.slice/mine"), { recursive: true });
  const root = delegateCgroup({ ...delegation, mount, own: "0::/user.slice/mine\n" });
  expect(root?.pids).toBe(path.join(mount, "user.slice/mine/tortie-0-c"));
});

test("version 1: each controller has its own group, where we are", () => {
  const own = "8:pids:/a\n4:memory:/b/c\n1:name=systemd:/\n0::/\n";
  expect(delegateCgroup({ ...delegation, mount, own })).toEqual({
    version: 1,
    pids: path.join(mount, "pids/a/tortie-0-c"),
    memory: path.join(mount, "memory/b/c/tortie-0-c"),
  });
  expect(read("pids/a/tortie-0-c/pids.max")).toBe("500");
});

test.each([
  ["no controllers", ""],
  ["one of the two", "4:memory:/\n"],
  ["version 2 without a mount", "0::/\n"],
])("a machine with %s delegates nothing", (_what, own) => {
  expect(delegateCgroup({ ...delegation, mount, own })).toBeUndefined();
});

test("a container's group has its limits, takes its processes and says whether memory ran out", () => {
  unified();
  const root = delegateCgroup({ ...delegation, mount, own: "0::/\n" });
  const cgroup = new Cgroup(root!, "abc", { processes: 10, memoryBytes: 1024 });
  expect(read("tortie-0-c/abc/pids.max")).toBe("10");
  expect(read("tortie-0-c/abc/memory.max")).toBe("1024");
  joinCgroup(cgroup.procs, 42);
  expect(read("tortie-0-c/abc/cgroup.procs")).toBe("42");
  expect(cgroup.ranOutOfMemory).toBe(false);
  writeFileSync(path.join(mount, "tortie-0-c/abc/memory.events"), "oom 1\noom_kill 1\n");
  expect(cgroup.ranOutOfMemory).toBe(true);
});

test("version 1: limits are in each controller's group, and a process joins both", () => {
  const root = delegateCgroup({ ...delegation, mount, own: "8:pids:/\n4:memory:/\n" });
  for (const controller of ["pids", "memory"]) {
    mkdirSync(path.join(mount, controller, "tortie-0-c/abc"));
    writeFileSync(path.join(mount, controller, "tortie-0-c/abc/cgroup.procs"), "");
  }
  const cgroup = new Cgroup(root!, "abc", { processes: 10, memoryBytes: 1024 });
  joinCgroup(cgroup.procs, 42);
  expect(read("pids/tortie-0-c/abc/pids.max")).toBe("10");
  expect(read("memory/tortie-0-c/abc/memory.limit_in_bytes")).toBe("1024");
  expect(read("memory/tortie-0-c/abc/cgroup.procs")).toBe("42");
});
