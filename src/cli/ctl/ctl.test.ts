import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CliResult, runCli } from "../testing.ts";

const SHOP = `# The shop.
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: deny-all   # closed
  labels: {team: net}
  uid: 1-2
spec:
  order: 2000
  selector: all()
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  ingress:
  # the edge
  - action: Allow
    protocol: TCP
    destination: {ports: [80]}
  - action: Deny
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}, matchExpressions: [{key: old, operator: DoesNotExist}]}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: prod}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {nodeName: n1, containers: [{name: c}]}
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "tortie-ctl."));
  write("shop.yaml", SHOP);
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);
const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");
const files = (): string[] => readdirSync(folder).sort();
const ctl = (...argv: string[]): Promise<CliResult> => runCli(["ctl", ...argv], { folder });
const given = (input: string, ...argv: string[]): Promise<CliResult> =>
  runCli(["ctl", ...argv, "-f", "-"], { folder, input });
const lines = async (...argv: string[]): Promise<string[]> => (await ctl(...argv)).out.split("\n");
const gnp = (name: string, spec = "{selector: all()}"): string =>
  `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

test.each(["get", "apply", "create", "replace", "delete", "patch", "label", "validate", "convert"])(
  "tortie ctl %s --help has examples",
  async (verb) => {
    const { exit, out, err } = await ctl(verb, "--help");
    expect({ exit, err }).toEqual({ exit: 0, err: "" });
    expect(out).toContain(`Examples:\n  tortie ctl ${verb}`);
  },
);

describe("get", () => {
  test.each<[string[], string[]]>([
    [["gnp"], ["NAME       TIER", "deny-all   default"]],
    [
      ["GlobalNetworkPolicies", "-o", "wide"],
      ["NAME       TIER      ORDER   SELECTOR", "deny-all   default   2000    all()"],
    ],
    [
      ["np", "-n", "shop", "-o", "wide"],
      ["NAMESPACE   NAME   TIER      ORDER   SELECTOR", "shop        web    default   <nil>   app == 'web'"],
    ],
    [
      ["networkpolicy", "-a"],
      ["NAMESPACE   NAME   TIER", "shop        web    default"],
    ],
    [
      ["knp", "-o", "wide"],
      ["NAME   PODSELECTOR", "db     app=db,!old"],
    ],
    [["networkpolicies.networking.k8s.io"], ["NAME", "db"]],
    [
      ["tier", "-o", "wide"],
      [
        "NAME            ORDER      DEFAULTACTION",
        "kube-admin      1000       Pass",
        "default         1000000    Deny",
        "kube-baseline   10000000   Pass",
      ],
    ],
    [
      ["wep", "-n", "shop", "-o", "custom-columns=NAME,WORKLOAD,PROFILES"],
      ["NAME               WORKLOAD   PROFILES", "n1-k8s-web-eth0   web        kns.shop"].map((line) =>
        line.replace("NAME  ", "NAME "),
      ),
    ],
    [
      ["profile", "-o", "wide"],
      ["NAME       LABELS", "kns.shop   pcns.env=prod,pcns.projectcalico.org/name=shop"],
    ],
    [
      ["gnp", "-o", "custom-columns=selector,name"],
      ["SELECTOR   NAME", "all()      deny-all"],
    ],
    [
      ["np", "-A", "-o", "custom-columns=N:.metadata.name,A:.spec.ingress[*].action,X:.spec.x"],
      ["N     A            X", "web   Allow,Deny   <none>"],
    ],
    [
      ["gnp,np", "-A", "-o", "name"],
      ["globalnetworkpolicy.projectcalico.org/deny-all", "networkpolicy.projectcalico.org/web"],
    ],
    [
      ["pod", "-n", "shop", "-o", "wide"],
      ["NAMESPACE   NAME   NODE   LABELS", "shop        web    n1     <none>"],
    ],
    [
      ["ns", "-o", "wide"],
      ["NAME   LABELS", "shop   env=prod"],
    ],
    [["gnp/deny-all", "-o", "name"], ["globalnetworkpolicy.projectcalico.org/deny-all"]],
  ])("%j", async (argv, expected) => {
    expect(await lines("get", ...argv)).toEqual(expected);
  });

  test("one by name is itself, all of a kind are a list that can be applied again", async () => {
    expect(load((await ctl("get", "gnp", "deny-all", "-o", "yaml")).out)).toMatchObject({
      kind: "GlobalNetworkPolicy",
    });
    const { out } = await ctl("get", "gnp", "-o", "yaml");
    expect(load(out)).toMatchObject({
      kind: "GlobalNetworkPolicyList",
      items: [{ metadata: { name: "deny-all" } }],
    });
    expect((await given(out, "apply")).out).toBe("Successfully applied 1 'GlobalNetworkPolicy' resource(s)");
    expect(read("shop.yaml")).toBe(SHOP);
  });

  test("--export leaves out what is the cluster's, and the namespace of what is named", async () => {
    expect((await ctl("get", "gnp", "deny-all", "-o", "json", "--export")).out).not.toContain("uid");
    expect(
      JSON.parse((await ctl("get", "np", "web", "-n", "shop", "-o", "json", "--export")).out),
    ).toMatchObject({
      metadata: { name: "web" },
    });
    expect((await ctl("get", "np", "web", "-n", "shop", "-o", "json", "--export")).out).not.toContain(
      "namespace",
    );
  });

  test("-f shows what the file names, as the store has it", async () => {
    const { exit, out, err } = await given(
      `${gnp("deny-all", "{selector: has(x)}")}---\n${gnp("none")}`,
      "get",
      "-o",
      "custom-columns=NAME,SELECTOR",
    );
    expect({ exit, out: out.split("\n") }).toEqual({
      exit: 1,
      out: ["NAME       SELECTOR", "deny-all   all()"],
    });
    expect(err).toBe("resource does not exist: GlobalNetworkPolicy(none)");
  });

  test("what is elsewhere is told", async () => {
    expect((await ctl("get", "np")).err).toBe(
      "nothing in namespace default; 1 resource elsewhere: -A shows all namespaces",
    );
  });

  test.each([
    [["get"], "name a kind"],
    [["get", "gmp"], "resource type 'gmp' is not supported: did you mean gnp?"],
    [["get", "gnp", "-o", "xml"], "unrecognized output format 'xml'"],
    [["get", "gnp", "-o", "custom-columns=SELECTR"], "did you mean SELECTOR?"],
    [["get", "np", "-A", "-n", "x"], "contradict"],
    [["get", "gnp", "--store", "nowhere"], "nowhere: no such file or folder"],
    [["patch", "gnp", "deny-all", "-p", "{"], "--patch"],
    [["label", "gnp", "deny-all"], "no labels"],
    [["delete", "gnp"], "may not be empty"],
    [["apply"], "-f"],
  ])("%j is bad input", async (argv, message) => {
    const { exit, out, err } = await ctl(...argv);
    expect({ exit, out }).toEqual({ exit: 2, out: "" });
    expect(err).toContain(message);
  });
});

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
    const inner = mkdtempSync(path.join(folder, "in."));
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

test("TORTIE_STORE names the store", async () => {
  process.env["TORTIE_STORE"] = folder;
  try {
    expect((await runCli(["ctl", "get", "gnp", "-o", "name"], { folder: tmpdir() })).out).toContain(
      "deny-all",
    );
  } finally {
    delete process.env["TORTIE_STORE"];
  }
});
