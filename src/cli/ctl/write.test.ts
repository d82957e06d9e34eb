import { mkdtempSync, writeFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CliResult } from "../testing.ts";
import { gnp, SHOP, TestFolder } from "./testing.ts";

let store: TestFolder;
beforeEach(() => {
  store = new TestFolder();
});
afterEach(() => store.remove());

const write = (name: string, text: string): void => store.write(name, text);
const read = (name: string): string => store.read(name);
const files = (): string[] => store.files();
const ctl = (...argv: string[]): Promise<CliResult> => store.run(argv);
const given = (input: string, ...argv: string[]): Promise<CliResult> =>
  store.run([...argv, "-f", "-"], input);

describe("apply, create and replace", () => {
  test("a new object gets a file of its own, with its comments", async () => {
    const text = `# why\n${gnp("one", "{selector: all()} # everyone")}`;
    expect(await given(`---\n${text}`, "apply")).toMatchObject({
      exit: 0,
      out: "Successfully applied 1 'GlobalNetworkPolicy' resource(s)",
    });
    expect(read("globalnetworkpolicy-one.yaml")).toBe(text);
  });

  test("-n names the namespace of what names none, and another is refused", async () => {
    const policy = (metadata: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {${metadata}}\nspec: {}\n`;
    await given(policy("name: a"), "create", "-n", "x");
    expect(load(read("networkpolicy-x-a.yaml"))).toMatchObject({ metadata: { name: "a", namespace: "x" } });
    const { exit, err } = await given(policy("name: b, namespace: far"), "create", "-n", "x");
    expect(exit).toBe(2);
    expect(err).toContain(
      "<stdin>:3:21: NetworkPolicy(far/b): resource namespace does not match client namespace. far != x",
    );
  });

  test("what exists changes where it stands, and the rest of the file not at all", async () => {
    const { exit } = await given(
      gnp("deny-all", "{order: 5, selector: all()}").replace(
        "name: deny-all",
        "name: deny-all, labels: {team: net}",
      ),
      "replace",
    );
    expect(exit).toBe(0);
    expect(read("shop.yaml")).toBe(SHOP.replace("order: 2000", "order: 5"));
    expect(files()).toEqual(["shop.yaml"]);
  });

  test("good objects are handled, each bad one is told with its place, and the status is 2", async () => {
    const { exit, out, err } = await given(
      `${gnp("a")}---\n${gnp("b", "{order: high}")}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n`,
      "apply",
    );
    expect({ exit, out }).toEqual({ exit: 2, out: "Partial success: applied 1 out of 3 resources" });
    expect(err).toContain("<stdin>:9:8: error: GlobalNetworkPolicy b: spec.order:");
    expect(err).toContain("<stdin>:11:1: resource type not supported: Deployment of apps/v1");
    expect(files()).toEqual(["globalnetworkpolicy-a.yaml", "shop.yaml"]);
  });

  test("an input that is not YAML changes nothing", async () => {
    const { exit, err } = await given(`${gnp("a")}---\na: [\n`, "apply");
    expect(exit).toBe(2);
    expect(err).toContain("<stdin>:");
    expect(files()).toEqual(["shop.yaml"]);
  });

  test("a field that nobody knows is warned of", async () => {
    const { exit, err } = await given(gnp("a", "{ordr: 5}"), "apply");
    expect(exit).toBe(0);
    expect(err).toContain("warning");
  });

  test.each<[string, string, string[], number, string]>([
    ["create", "deny-all", [], 1, "resource already exists: GlobalNetworkPolicy(deny-all)"],
    ["create", "deny-all", ["--skip-exists"], 0, ""],
    ["replace", "none", [], 1, "resource does not exist: GlobalNetworkPolicy(none)"],
  ])("%s %s %j", async (verb, name, flags, exit, message) => {
    const result = await given(gnp(name), verb, ...flags);
    expect(result.exit).toBe(exit);
    expect(result.err).toContain(message);
    expect(read("shop.yaml")).toBe(SHOP);
  });

  test("an older version is a conflict", async () => {
    write("v.yaml", gnp("v").replace("name: v", "name: v, resourceVersion: '9'"));
    const { exit, err } = await given(
      gnp("v", "{}").replace("name: v", "name: v, resourceVersion: '8'"),
      "apply",
    );
    expect(exit).toBe(1);
    expect(err).toContain(
      "update conflict: GlobalNetworkPolicy(v): resource version '8' is out of date (latest: 9)",
    );
  });

  test("a dry run says what would be, and writes nothing; JSON tells each object", async () => {
    const { out } = await given(`${gnp("a")}---\n${gnp("deny-all")}`, "apply", "--dry-run", "-o", "json");
    expect(JSON.parse(out)).toMatchObject({
      verb: "apply",
      dryRun: true,
      resources: [
        { name: "a", result: "created", file: "globalnetworkpolicy-a.yaml" },
        { name: "deny-all", result: "updated", file: "shop.yaml" },
      ],
      errors: [],
    });
    expect(files()).toEqual(["shop.yaml"]);
    expect(read("shop.yaml")).toBe(SHOP);
  });

  test("folders are entered with -R alone", async () => {
    const inner = mkdtempSync(path.join(store.path, "in."));
    writeFileSync(path.join(inner, "a.yaml"), gnp("a"));
    const top = path.basename(inner);
    expect((await ctl("apply", "-f", ".", "--store", top)).out).toContain("applied 5 resource(s)");
    expect((await ctl("get", "-R", "-f", ".", "--store", top, "-o", "name")).out).toContain(
      "globalnetworkpolicy.projectcalico.org/a",
    );
  });

  test("a file that is not YAML is not written to, nor is one that uses anchors where it would change", async () => {
    write("shop.yaml", `${SHOP}---\na: [\n`);
    expect(await given(gnp("deny-all", "{order: 5}"), "apply")).toMatchObject({ exit: 2 });
    expect(read("shop.yaml")).toBe(`${SHOP}---\na: [\n`);
    write("shop.yaml", gnp("anchored", "&s {order: 1}\nother: *s"));
    const { exit, err } = await given(gnp("anchored", "{order: 5}"), "apply");
    expect(exit).toBe(2);
    expect(err).toContain("shop.yaml:1:1: GlobalNetworkPolicy(anchored) cannot be changed in place");
  });
});

describe("delete", () => {
  test("one of several documents goes, the others stay as they were", async () => {
    expect((await ctl("delete", "networkpolicy", "web", "-n", "shop")).out).toBe(
      "Successfully deleted 1 'NetworkPolicy' resource(s)",
    );
    const start = SHOP.indexOf("---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy");
    expect(read("shop.yaml")).toBe(
      SHOP.slice(0, start) + SHOP.slice(SHOP.indexOf("---\napiVersion: networking")),
    );
  });

  test("the last object of a file takes the file with it", async () => {
    write("one.yaml", gnp("one"));
    await ctl("delete", "gnp", "one");
    expect(files()).toEqual(["shop.yaml"]);
  });

  test("an item leaves its list", async () => {
    write(
      "list.yaml",
      "kind: List\napiVersion: v1\nitems: # both\n- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n",
    );
    await ctl("delete", "ns", "a");
    expect(read("list.yaml")).toBe(
      "kind: List\napiVersion: v1\nitems: # both\n- {apiVersion: v1, kind: Namespace, metadata: {name: b}}\n",
    );
  });

  test("what is not there is an error, or is passed over", async () => {
    const { exit, out, err } = await ctl("delete", "gnp", "deny-all", "none");
    expect({ exit, out }).toEqual({
      exit: 1,
      out: "Partial success: deleted 1 out of 2 'GlobalNetworkPolicy' resources",
    });
    expect(err).toBe(
      "Failed to delete 'GlobalNetworkPolicy' resource: resource does not exist: GlobalNetworkPolicy(none)",
    );
    expect((await ctl("delete", "gnp", "none", "-s")).exit).toBe(0);
  });

  test("a tier with policies stays, and so does a built-in one", async () => {
    write(
      "tier.yaml",
      `apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: t}\nspec: {order: 1}\n---\n${gnp("p", "{tier: t}")}`,
    );
    expect((await ctl("delete", "tier", "t")).err).toContain("it still has policies: GlobalNetworkPolicy(p)");
    expect((await ctl("delete", "tier", "default")).err).toContain("it is built in");
  });
});
