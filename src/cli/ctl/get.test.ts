import { tmpdir } from "node:os";
import { load } from "js-yaml";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CliResult, runCli } from "../testing.ts";
import { gnp, SHOP, TestFolder } from "./testing.ts";

let store: TestFolder;
beforeEach(() => {
  store = new TestFolder();
});
afterEach(() => store.remove());

const read = (name: string): string => store.read(name);
const ctl = (...argv: string[]): Promise<CliResult> => store.run(argv);
const given = (input: string, ...argv: string[]): Promise<CliResult> =>
  store.run([...argv, "-f", "-"], input);
const lines = async (...argv: string[]): Promise<string[]> => (await ctl(...argv)).out.split("\n");

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

test("TORTIE_STORE names the store", async () => {
  process.env["TORTIE_STORE"] = store.path;
  try {
    expect((await runCli(["ctl", "get", "gnp", "-o", "name"], { folder: tmpdir() })).out).toContain(
      "deny-all",
    );
  } finally {
    delete process.env["TORTIE_STORE"];
  }
});
