import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CliResult } from "../testing.ts";
import { SHOP, TestFolder } from "./testing.ts";

let store: TestFolder;
beforeEach(() => {
  store = new TestFolder();
});
afterEach(() => store.remove());

const read = (name: string): string => store.read(name);
const ctl = (...argv: string[]): Promise<CliResult> => store.run(argv);
const lines = async (...argv: string[]): Promise<string[]> => (await ctl(...argv)).out.split("\n");

describe("patch and label", () => {
  test.each<[string[], string, string]>([
    [["-p", '{"spec": {"order": 5}}'], "order: 2000", "order: 5"],
    [["-t", "merge", "-p", "metadata: {labels: {team: null, zone: a}}"], "{team: net}", "{zone: a}"],
    [
      ["-t", "json", "-p", '[{"op": "replace", "path": "/spec/order", "value": 1}]'],
      "order: 2000",
      "order: 1",
    ],
  ])("%j", async (argv, from, to) => {
    expect((await ctl("patch", "gnp", "deny-all", ...argv)).out).toBe(
      "Successfully patched 1 'GlobalNetworkPolicy' resource(s)",
    );
    expect(read("shop.yaml")).toBe(SHOP.replace(from, to));
  });

  test.each<[string[], number, string]>([
    [["gnp", "none", "-p", "{}"], 1, "resource does not exist: GlobalNetworkPolicy(none)"],
    [["gnp", "deny-all", "-p", "{spec: {selector: 'a =='}}"], 2, "shop.yaml:10:17: error"],
    [["gnp", "deny-all", "-p", "{metadata: {name: x}}"], 2, "metadata.name may not be changed"],
    [
      ["gnp", "deny-all", "-t", "json", "-p", '[{"op": "test", "path": "/spec/order", "value": 1}]'],
      1,
      "it is 2000, not 1",
    ],
    [["gnp", "deny-all", "-t", "json", "-p", "{}"], 2, "a list of operations"],
  ])("%j is refused and changes nothing", async (argv, exit, message) => {
    const result = await ctl("patch", ...argv);
    expect(result.exit).toBe(exit);
    expect(result.err).toContain(message);
    expect(read("shop.yaml")).toBe(SHOP);
  });

  test.each<[string[], string[], string]>([
    [["ns", "shop", "zone=a"], ["Successfully set label zone on ns shop"], "{env: prod, zone: a}"],
    [["ns", "shop", "env=test", "--overwrite"], ["Successfully updated label env on ns shop"], "{env: test}"],
    [
      ["ns", "shop", "a=b", "env-"],
      ["Successfully set label a on ns shop", "Successfully removed label env from ns shop"],
      "{a: b}",
    ],
  ])("label %j", async (argv, out, labels) => {
    expect(await lines("label", ...argv)).toEqual(out);
    expect(read("shop.yaml")).toBe(SHOP.replace("{env: prod}", labels));
  });

  test("the last label takes the mapping with it", async () => {
    await ctl("label", "ns", "shop", "env", "--remove");
    expect(read("shop.yaml")).toBe(SHOP.replace(", labels: {env: prod}", ""));
  });

  test.each<[string[], string]>([
    [["ns", "shop", "env=test"], "key env is already present. please use '--overwrite'"],
    [["ns", "shop", "zone", "--remove"], "key zone does not exist"],
    [["pod", "web", "a=b"], "resource does not exist: Pod(default/web)"],
    [["wep", "n1-k8s-web-eth0", "a=b", "-n", "shop"], "those of pods are views of the pods"],
  ])("label %j is refused with status 1", async (argv, message) => {
    const { exit, err } = await ctl("label", ...argv);
    expect(exit).toBe(1);
    expect(err).toContain(message);
  });

  test("a label that is none is refused with its place", async () => {
    const { exit, err } = await ctl("label", "ns", "shop", "zone=a b");
    expect(exit).toBe(2);
    expect(err).toContain("invalid-label-value");
    expect(read("shop.yaml")).toBe(SHOP);
  });
});
