import { describe, expect, test } from "vitest";
import { calico, documents, findings, host, lint, node, pod } from "../../test/support/lint.ts";

const ALLOWING = "profiles: [projectcalico-default-allow]";
const eth0 = (rest = ALLOWING): string =>
  host("eth0", `interfaceName: eth0, ${rest}, expectedIPs: [10.0.0.1]`);
const global = (name: string, spec: string): string => calico("GlobalNetworkPolicy", name, spec);

describe("host endpoints that close a node", () => {
  test("one without policy and profile drops everything but the failsafe ports", () => {
    const [issue] = findings(eth0("profiles: []"), "host-endpoint-closed");
    expect(issue).toMatchObject({ object: "HostEndpoint eth0", path: "spec.profiles" });
    expect(issue?.message).toContain("TCP 22, 179");
    expect(issue?.message).toContain("ingress or egress");
    expect(issue?.hint).toContain("projectcalico-default-allow");
  });

  test.each([
    ["the profile allows", eth0()],
    [
      "a profile with rules allows",
      documents(
        eth0("profiles: [open]"),
        calico("Profile", "open", "{ingress: [{action: Allow}], egress: [{action: Allow}]}"),
      ),
    ],
    [
      "policies govern both directions",
      documents(
        eth0("profiles: []"),
        global(
          "p",
          "{selector: has(role), types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]}",
        ),
      ),
    ],
    ["a profile is missing, which is told of itself", eth0("profiles: [nobody]")],
  ])("nothing where %s", (_why, text) => {
    expect(lint(text, "host-endpoint-closed")).toEqual([]);
  });

  test("of a direction that no policy governs, that direction alone is told", () => {
    const ingress = global("p", "{selector: has(role), types: [Ingress], ingress: [{action: Allow}]}");
    const [issue] = findings(documents(eth0("profiles: []"), ingress), "host-endpoint-closed");
    expect(issue?.message).toContain("governs its egress and");
  });

  test.each([
    ["a policy without rules", "{selector: has(role), types: [Ingress]}"],
    [
      "a Deny of everything before an Allow",
      "{selector: has(role), types: [Ingress], ingress: [{action: Deny}, {action: Allow}]}",
    ],
    ["rules that only log", "{selector: has(role), types: [Ingress], ingress: [{action: Log}]}"],
  ])("%s cuts a node off, and the failsafe ports that stay are named", (_why, spec) => {
    const [issue] = findings(documents(eth0(), global("p", spec)), "cuts-failsafe");
    expect(issue).toMatchObject({ object: "GlobalNetworkPolicy p", path: "spec.ingress" });
    expect(issue?.message).toContain("HostEndpoint eth0");
    expect(issue?.message).toContain("TCP 22, 179, 2379, 2380, 5473, 6443, 6666, 6667; UDP 68");
    expect(issue?.message).toContain("TCP 10250");
  });

  test.each([
    [
      "something is allowed",
      "{selector: has(role), types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [10250]}}]}",
    ],
    ["a rule passes on", "{selector: has(role), types: [Ingress], ingress: [{action: Pass}]}"],
    ["it is about forwarded traffic and pods alone", "{selector: app == 'web', types: [Ingress]}"],
  ])("nothing where %s", (_why, spec) => {
    expect(lint(documents(eth0(), pod("web"), global("p", spec)), "cuts-failsafe")).toEqual([]);
  });
});

describe("host endpoints that are never asked", () => {
  test("one of a node that is not there", () => {
    const [issue] = findings(
      calico("HostEndpoint", "lost", `{node: node9, interfaceName: eth0, ${ALLOWING}}`),
    );
    expect(issue).toMatchObject({ code: "host-endpoint-no-node", path: "spec.node" });
    expect(issue?.message).toContain("there are node1, node2");
  });

  test.each([
    ["of the same interface", "interfaceName: eth0", "interfaceName: eth0"],
    ["for all interfaces twice", "interfaceName: '*'", "interfaceName: '*'"],
    ["that expect the same address", "expectedIPs: [10.0.0.1]", "expectedIPs: [10.0.0.1, 10.0.0.2]"],
  ])("the second by name of two %s", (_why, first, second) => {
    const text = documents(
      host("b", `${second}, ${ALLOWING}`),
      calico("HostEndpoint", "a", `{node: node1, ${first}, ${ALLOWING}}`),
    );
    const [issue, ...more] = findings(text, "host-endpoint-shadowed");
    expect(more).toEqual([]);
    expect(issue).toMatchObject({ object: "HostEndpoint b" });
    expect(issue?.message).toContain("HostEndpoint a describes the same interface of node node1");
  });

  test("of two interfaces, the one that answers do not take for the uplink", () => {
    const text = documents(
      eth0(),
      calico("HostEndpoint", "eth1", `{node: node1, interfaceName: eth1, ${ALLOWING}}`),
    );
    const [issue, ...more] = findings(text, "host-endpoint-shadowed");
    expect(more).toEqual([]);
    expect(issue?.message).toContain("answers take HostEndpoint eth0");
  });

  test("one for all interfaces beside one of an interface is what remains", () => {
    const text = documents(
      eth0(),
      calico("HostEndpoint", "all", `{node: node1, interfaceName: '*', ${ALLOWING}}`),
    );
    expect(lint(text, "host-endpoint-shadowed")).toEqual([]);
  });
});

test("a host endpoint without addresses that a rule selects gives that rule none", () => {
  const bare = host("eth0", `interfaceName: eth0, ${ALLOWING}`);
  const rule = global(
    "p",
    "{selector: app == 'web', types: [Ingress], ingress: [{action: Allow, source: {selector: has(role)}}]}",
  );
  const [issue] = findings(documents(bare, pod("web"), rule), "host-endpoint-no-ips");
  expect(issue).toMatchObject({ object: "HostEndpoint eth0", path: "spec.expectedIPs" });
  expect(issue?.message).toContain("GlobalNetworkPolicy p spec.ingress[0]");
  expect(lint(documents(eth0(), pod("web"), rule), "host-endpoint-no-ips")).toEqual([]);
  expect(lint(documents(bare, pod("web")), "host-endpoint-no-ips")).toEqual([]);
});

describe("global policies and hosts", () => {
  test.each([
    "{types: [Ingress], ingress: [{action: Allow}]}",
    "{selector: all(), types: [Ingress], ingress: [{action: Allow}]}",
  ])("%s selects host endpoints as well", (spec) => {
    const [issue] = findings(documents(eth0(), pod("web"), global("p", spec)), "selects-hosts");
    expect(issue).toMatchObject({ object: "GlobalNetworkPolicy p", path: "spec.selector" });
    expect(issue?.hint).toContain("namespaceSelector: all()");
  });

  test.each([
    ["it selects namespaces", "{namespaceSelector: all(), types: [Ingress]}"],
    ["it selects by labels", "{selector: has(app), types: [Ingress]}"],
    ["it is meant for hosts", "{types: [Ingress], applyOnForward: true, preDNAT: true}"],
  ])("nothing where %s", (_why, spec) => {
    expect(lint(documents(eth0(), pod("web"), global("p", spec)), "selects-hosts")).toEqual([]);
  });

  test("nothing where there are no host endpoints", () => {
    expect(lint(documents(pod("web"), global("p", "{types: [Ingress]}")), "selects-hosts")).toEqual([]);
  });

  test.each(["doNotTrack", "preDNAT"])("%s is ignored on workloads", (field) => {
    const text = (selector: string): string =>
      documents(
        eth0(),
        pod("web"),
        global(
          "p",
          `{selector: "${selector}", types: [Ingress], ${field}: true, applyOnForward: true, ingress: [{action: Deny}]}`,
        ),
      );
    expect(lint(text("has(app)"), "ignored-on-workloads")).toEqual([
      `ignored-on-workloads GlobalNetworkPolicy p spec.${field}`,
    ]);
    expect(lint(text("has(role)"), "ignored-on-workloads")).toEqual([]);
    expect(lint(text("has(nothing)"), "ignored-on-workloads")).toEqual([]);
  });
});

describe("untracked policies", () => {
  const untracked = (rest: string): string =>
    global("p", `{selector: has(role), doNotTrack: true, applyOnForward: true, ${rest}}`);
  const IN = "ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]";
  const closed = eth0("profiles: []");
  const told = (text: string): string[] => lint(text, "untracked-one-way");

  test("what is allowed in one direction needs an Allow for its replies", () => {
    const [issue] = findings(documents(closed, untracked(`types: [Ingress], ${IN}`)), "untracked-one-way");
    expect(issue).toMatchObject({ object: "GlobalNetworkPolicy p", path: "spec.ingress[0]" });
    expect(issue?.hint).toContain("egress rule");
  });

  test("an Allow from the same ports lets the replies through", () => {
    const back = "egress: [{action: Allow, protocol: TCP, source: {ports: [80]}}]";
    expect(told(documents(closed, untracked(`types: [Ingress, Egress], ${IN}, ${back}`)))).toEqual([]);
  });

  test("an Allow of everything back is a way out of its own, for which there are no replies either", () => {
    const back = "egress: [{action: Allow}]";
    expect(told(documents(closed, untracked(`types: [Ingress, Egress], ${IN}, ${back}`)))).toEqual([
      "untracked-one-way GlobalNetworkPolicy p spec.egress[0]",
    ]);
  });

  test.each([
    ["from another port", "source: {ports: [81]}"],
    ["of another protocol", "protocol: UDP, source: {ports: [80]}"],
    ["to a port that is no client's", "protocol: TCP, destination: {ports: [443]}"],
  ])("an Allow back %s carries no replies", (_why, match) => {
    const protocol = match.includes("protocol") ? "" : "protocol: TCP, ";
    const rest = `types: [Ingress, Egress], ${IN}, egress: [{action: Allow, ${protocol}${match}}]`;
    expect(told(documents(closed, untracked(rest)))).toContain(
      "untracked-one-way GlobalNetworkPolicy p spec.ingress[0]",
    );
  });

  test("an open host lets replies out as new connections", () => {
    expect(told(documents(eth0(), untracked(`types: [Ingress], ${IN}`)))).toEqual([]);
  });
});

test("a node alone is no finding", () => {
  expect(lint(documents(node("node1", "10.0.0.1"), pod("web")))).toEqual([]);
});
