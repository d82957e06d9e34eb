import { beforeEach, describe, expect, test } from "vitest";
import { parseIp } from "../base/ip.ts";
import { fromNetworkPolicy } from "../policy/from-network-policy.ts";
import { type Endpoint, OPEN_PROFILE, type Policy, PROTOCOL } from "../policy/model.ts";
import type { LabelSelector, NetworkPolicyPeer } from "../resources/networking/types.ts";
import { NO_SOURCE } from "../resources/source.ts";
import { PolicyGraph } from "./graph.ts";

const labels = (wanted: Record<string, string>): LabelSelector => ({
  requirements: Object.entries(wanted).map(([key, value]) => ({
    key,
    operator: "In",
    values: [value],
    path: "",
  })),
});

function netpol(
  name: string,
  namespace: string,
  subject: Record<string, string>,
  peers: readonly NetworkPolicyPeer[],
): Policy {
  return fromNetworkPolicy({
    kind: "NetworkPolicy",
    apiVersion: "networking.k8s.io/v1",
    name,
    namespace,
    labels: {},
    source: NO_SOURCE,
    spec: {
      podSelector: labels(subject),
      policyTypes: { ingress: true, egress: false },
      ingress: [{ path: "", peers, ports: "any" }],
      egress: [],
    },
  });
}

const inNamespace = (wanted: Record<string, string>): NetworkPolicyPeer => ({
  kind: "pods",
  path: "",
  podSelector: labels(wanted),
});
const ofTeam = (team: string): NetworkPolicyPeer => ({
  kind: "pods",
  path: "",
  namespaceSelector: labels({ team }),
});

let next = 1;
const pod = (id: string, own: Record<string, string>): Endpoint => ({
  id,
  namespace: id.split("/")[0] ?? "",
  labels: own,
  serviceAccount: "default",
  node: "node1",
  addresses: [parseIp(`10.0.${next >> 8}.${next++ & 255}`)!],
  ports: [],
  profile: OPEN_PROFILE,
});

/** What a change cost, in the graph's own counts. */
function cost(graph: PolicyGraph, change: () => void): PolicyGraph["counters"] {
  const before = { ...graph.counters };
  change();
  graph.flush();
  const { counters } = graph;
  return {
    selectorEvaluations: counters.selectorEvaluations - before.selectorEvaluations,
    membershipChanges: counters.membershipChanges - before.membershipChanges,
    programsComputed: counters.programsComputed - before.programsComputed,
    classesRekeyed: counters.classesRekeyed - before.classesRekeyed,
  };
}

const NOTHING = { selectorEvaluations: 0, membershipChanges: 0, programsComputed: 0, classesRekeyed: 0 };

describe("50 namespaces of 20 workloads with 5 replicas, 4 policies each", () => {
  let graph: PolicyGraph;
  beforeEach(() => {
    graph = new PolicyGraph();
    for (let ns = 0; ns < 50; ns++) {
      graph.setNamespace(`ns${ns}`, { "kubernetes.io/metadata.name": `ns${ns}`, team: `t${ns % 5}` });
      for (let index = 0; index < 4; index++) {
        const peers = [inNamespace({ app: `app${index + 5}` }), ofTeam(`t${index}`)];
        const policy = netpol(`p${index}`, `ns${ns}`, { app: `app${index}` }, peers);
        graph.setPolicy(policy.id, policy);
      }
      for (let app = 0; app < 20; app++) {
        for (let replica = 0; replica < 5; replica++) {
          const id = `ns${ns}/app${app}-${replica}`;
          graph.setEndpoint(id, pod(id, { app: `app${app}`, hash: "x" }));
        }
      }
    }
    graph.flush();
  });

  test("5,000 pods are 1,000 identities, and equal selectors of policies are held once", () => {
    expect(graph.endpoints.size).toBe(5_000);
    expect(graph.identities.size).toBe(1_000);
    // In each namespace four subjects and four peers, and four teams for all.
    expect(graph.selectors.size).toBe(50 * 8 + 4);
  });

  test("a pod with a known identity comes and goes without a selector, member or program being looked at", () => {
    expect(
      cost(graph, () => graph.setEndpoint("ns7/app3-new", pod("ns7/app3-new", { app: "app3", hash: "x" }))),
    ).toEqual(NOTHING);
    expect(cost(graph, () => graph.setEndpoint("ns7/app3-new", null))).toEqual(NOTHING);
  });

  test("a label that no selector mentions makes no identity", () => {
    const before = graph.identities.size;
    graph.setEndpoint("ns7/odd", pod("ns7/odd", { app: "app3", unmentioned: "y" }));
    expect(graph.identities.size).toBe(before);
  });

  test("a pod with new labels is tried against its own namespace's selectors, not the cluster's", () => {
    const { selectorEvaluations, programsComputed } = cost(graph, () =>
      graph.setEndpoint("ns7/new", pod("ns7/new", { app: "other" })),
    );
    expect(selectorEvaluations).toBeLessThanOrEqual(8 + 4);
    expect(programsComputed).toBe(0);
  });

  test("a policy computes programs only for identities that it selects", () => {
    const policy = netpol("extra", "ns7", { app: "app9" }, [inNamespace({ app: "app1" })]);
    const { selectorEvaluations, programsComputed, classesRekeyed } = cost(graph, () =>
      graph.setPolicy(policy.id, policy),
    );
    expect(programsComputed).toBe(1);
    expect(classesRekeyed).toBe(0);
    expect(selectorEvaluations).toBeLessThanOrEqual(20 * 2);
  });

  test("a policy of all pods in a namespace touches that namespace's identities", () => {
    const policy = netpol("all", "ns7", {}, []);
    expect(cost(graph, () => graph.setPolicy(policy.id, policy)).programsComputed).toBe(20);
  });

  test("a relabelled namespace re-examines its own identities", () => {
    const { selectorEvaluations, programsComputed } = cost(graph, () =>
      graph.setNamespace("ns7", { team: "t4" }),
    );
    expect(selectorEvaluations).toBeLessThanOrEqual(20 * (8 + 4));
    expect(programsComputed).toBe(0);
  });

  test("a label key that becomes mentioned re-keys the classes that carry it, not their pods", () => {
    const policy = netpol("extra", "ns7", { hash: "x" }, []);
    expect(cost(graph, () => graph.setPolicy(policy.id, policy)).classesRekeyed).toBe(1_000);
  });
});

test("equal objects in any order give equal pictures", () => {
  const policy = netpol("p", "x", { app: "a" }, [ofTeam("t")]);
  const steps = [
    (graph: PolicyGraph) => graph.setNamespace("x", { team: "t" }),
    (graph: PolicyGraph) => graph.setPolicy(policy.id, policy),
    (graph: PolicyGraph) =>
      graph.setEndpoint("x/a", { ...pod("x/a", { app: "a" }), addresses: [parseIp("10.9.9.9")!] }),
  ];
  const play = (order: readonly number[]): unknown => {
    const graph = new PolicyGraph();
    for (const index of order) steps[index]?.(graph);
    return graph.picture();
  };
  for (const order of [
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ])
    expect(play(order)).toEqual(play([0, 1, 2]));
});

test("holders of a named port are told by address and number", () => {
  const graph = new PolicyGraph();
  const web = {
    ...pod("x/a", {}),
    addresses: [parseIp("10.0.0.9")!],
    ports: [{ name: "http", protocol: PROTOCOL.TCP, port: 8080 }],
  };
  graph.setEndpoint("x/a", web);
  expect([...graph.namedPort("6:http").keys()]).toEqual(["10.0.0.9 . 8080"]);
  graph.flush();
  graph.setEndpoint("x/a", { ...web, ports: [] });
  expect([...graph.flush().namedPorts.get("6:http")!.removed.keys()]).toEqual(["10.0.0.9 . 8080"]);
  expect(graph.namedPort("6:http").size).toBe(0);
});
