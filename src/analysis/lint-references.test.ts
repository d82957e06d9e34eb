import { describe, expect, test } from "vitest";
import { calico, documents, findings, host, lint, networkPolicy, pod } from "../../test/support/lint.ts";
import { decodeValue } from "../resources/load.ts";
import { NO_SOURCE } from "../resources/source.ts";
import { Cluster } from "./cluster.ts";
import { lintCluster } from "./lint.ts";

const tier = (name: string, spec: string): string => calico("Tier", name, spec);

describe("tiers", () => {
  test("one that nobody created is told with the nearest name", () => {
    const text = documents(
      pod("web"),
      tier("platform", "{order: 1}"),
      calico("GlobalNetworkPolicy", "p", "{tier: platfrom, selector: has(app), types: [Ingress]}"),
    );
    const [issue, ...more] = findings(text, "unknown-tier");
    expect(more).toEqual([]);
    expect(issue).toMatchObject({
      object: "GlobalNetworkPolicy p",
      path: "spec.tier",
      severity: "warning",
      position: { file: "t.yaml", line: 14, column: 8 },
    });
    expect(issue?.hint).toMatch(/^did you mean platform\?/);
  });

  test("of staged policies, too", () => {
    const text = calico("StagedGlobalNetworkPolicy", "p", "{tier: nowhere, selector: has(app)}");
    expect(lint(text, "unknown-tier")).toEqual(["unknown-tier StagedGlobalNetworkPolicy p spec.tier"]);
  });

  test.each(["default", "kube-admin", "kube-baseline"])("%s is built in", (name) => {
    const text = documents(pod("web"), calico("NetworkPolicy", "p", `{tier: ${name}, selector: has(app)}`));
    expect(lint(text, "unknown-tier")).toEqual([]);
  });

  test.each([
    ["default", "{order: 5}", ["built-in-tier Tier default spec.order"]],
    ["default", "{defaultAction: Pass}", ["built-in-tier Tier default spec.defaultAction"]],
    ["default", "{order: 1000000, defaultAction: Deny}", []],
    ["default", "{}", []],
    ["kube-admin", "{order: 1000, defaultAction: Pass}", []],
    ["platform", "{order: 5, defaultAction: Pass}", []],
  ])("Tier %s %s", (name, spec, expected) => {
    expect(lint(tier(name, spec), "built-in-tier")).toEqual(expected);
  });
});

describe("profiles", () => {
  test("one that is missing is told at its place, with the nearest name", () => {
    const text = documents(
      host("eth0", "interfaceName: eth0, profiles: [open, opne]"),
      calico("Profile", "open", "{ingress: [{action: Allow}]}"),
    );
    const [issue, ...more] = findings(text, "profile-missing");
    expect(more).toEqual([]);
    expect(issue).toMatchObject({ object: "HostEndpoint eth0", path: "spec.profiles[1]" });
    expect(issue?.hint).toMatch(/^did you mean open\?/);
  });

  test.each(["projectcalico-default-allow", "kns.default", "ksa.default.bot"])("%s is implied", (name) => {
    expect(lint(host("eth0", `interfaceName: eth0, profiles: [${name}]`), "profile-missing")).toEqual([]);
  });
});

describe("Services in rules", () => {
  const rule = calico(
    "NetworkPolicy",
    "p",
    "{selector: has(app), types: [Egress], egress: [{action: Allow, destination: {services: {name: cart}}}]}",
  );

  test("one that is not there is told", () => {
    expect(lint(documents(pod("web"), rule), "service-missing")).toEqual([
      "service-missing CalicoNetworkPolicy default/p spec.egress[0].destination.services",
    ]);
  });

  test.each([
    ["the Service", "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}"],
    [
      "a slice of it",
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: cart-1, labels: {kubernetes.io/service-name: cart}}\naddressType: IPv4\nendpoints: []\nports: []",
    ],
  ])("%s is enough", (_what, object) => {
    expect(lint(documents(pod("web"), rule, object), "service-missing")).toEqual([]);
  });
});

describe("staged policies", () => {
  test("what deletes a policy that is not there is told, with the nearest name", () => {
    const text = documents(
      pod("web"),
      calico("GlobalNetworkPolicy", "lockdown", "{selector: has(app)}"),
      calico("StagedGlobalNetworkPolicy", "lockdwon", "{stagedAction: Delete}"),
    );
    const [issue] = findings(text, "staged-target-missing");
    expect(issue).toMatchObject({ object: "StagedGlobalNetworkPolicy lockdwon", path: "spec.stagedAction" });
    expect(issue?.hint).toBe("did you mean GlobalNetworkPolicy lockdown?");
  });

  test("Delete of what is there, and Set, are no findings", () => {
    const text = documents(
      pod("web"),
      networkPolicy("p", "{podSelector: {}}"),
      "apiVersion: projectcalico.org/v3\nkind: StagedKubernetesNetworkPolicy\nmetadata: {name: p}\nspec: {stagedAction: Delete}",
      calico("StagedGlobalNetworkPolicy", "q", "{selector: has(app)}"),
    );
    expect(lint(text)).toEqual([]);
  });

  test.each(["Learn", "Ignore"])("%s is not previewed", (action) => {
    const text = calico("StagedGlobalNetworkPolicy", "p", `{stagedAction: ${action}, selector: has(app)}`);
    expect(lint(text)).toEqual(["staged-not-previewed StagedGlobalNetworkPolicy p spec.stagedAction"]);
  });
});

describe("directions by default", () => {
  const told = (spec: string): string[] =>
    lint(documents(pod("web"), calico("GlobalNetworkPolicy", "p", spec)), "types-by-default");

  test("egress rules alone without types leave ingress as it is", () => {
    expect(told("{selector: has(app), egress: [{action: Allow}]}")).toEqual([
      "types-by-default GlobalNetworkPolicy p spec",
    ]);
  });

  test.each([
    "{selector: has(app), types: [Egress], egress: [{action: Allow}]}",
    "{selector: has(app), ingress: [{action: Allow}]}",
    "{selector: has(app), ingress: [{action: Allow}], egress: [{action: Allow}]}",
    "{selector: has(app)}",
  ])("nothing of %s", (spec) => {
    expect(told(spec)).toEqual([]);
  });

  test("nothing of an object that no file holds: whether it was written is not known", () => {
    const { objects } = decodeValue(
      {
        apiVersion: "projectcalico.org/v3",
        kind: "GlobalNetworkPolicy",
        metadata: { name: "p" },
        spec: { selector: "has(app)", egress: [{ action: "Allow" }] },
      },
      NO_SOURCE,
    );
    const cluster = new Cluster();
    cluster.apply(objects);
    cluster.sync();
    expect(lintCluster(cluster)).toEqual([]);
  });
});
