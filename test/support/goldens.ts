/** @module Tables with one idea each, cut out of the table of node `n`: for golden files, and for the kernel to read. */
import { must } from "../../src/base/errors.ts";
import type { Family } from "../../src/base/ip.ts";
import { PolicyGraph } from "../../src/calc/graph.ts";
import { NodeRuleset } from "../../src/nft/node-ruleset.ts";
import { type NftChain, type NftSet, type NftTable, TABLE_NAME } from "../../src/nft/table.ts";
import { fromGlobalNetworkPolicy } from "../../src/policy/from-calico.ts";
import { fromNetworkPolicy } from "../../src/policy/from-network-policy.ts";
import {
  ANY_ENTITY,
  type Endpoint,
  type Match,
  OPEN_PROFILE,
  type Origin,
  type Policy,
  PROTOCOL,
  type Rule,
} from "../../src/policy/model.ts";
import type { ServiceMapping } from "../../src/policy/services.ts";
import { NO_FACTS } from "../../src/policy/translation.ts";
import { decodeTexts } from "../../src/resources/load.ts";
import { NO_SOURCE } from "../../src/resources/source.ts";
import { cidr, ip } from "./random-cluster.ts";

export interface Golden {
  /** The file, in `src/nft/testdata/`. */
  readonly file: string;
  /** What it shows. */
  readonly idea: string;
  readonly table: NftTable;
}

function pod(name: string, labels: Record<string, string>, addresses: readonly string[]): Endpoint {
  return {
    id: `default/${name}`,
    namespace: "default",
    labels,
    serviceAccount: "default",
    node: "n",
    addresses: addresses.map(ip),
    ports: labels["app"] === "web" ? [{ name: "http", protocol: PROTOCOL.TCP, port: 8080 }] : [],
    profile: OPEN_PROFILE,
  };
}

const DB = pod("db", { app: "db" }, ["192.168.0.1", "fd00:10:244::1"]);
const API = pod("api", { app: "api" }, ["192.168.0.2", "fd00:10:244::2"]);
const WEB = pod("web", { app: "web" }, ["192.168.0.3"]);

/** A node's interface without a profile: closed, until a policy opens it. */
const HOST: Endpoint = {
  id: "HostEndpoint n-eth0",
  kind: "host",
  interfaceName: "eth0",
  namespace: "",
  labels: { role: "node" },
  serviceAccount: "",
  node: "n",
  addresses: [],
  ports: [],
  profile: { ingress: "deny", egress: "deny" },
};

interface Scene {
  readonly pods: readonly Endpoint[];
  readonly policies?: readonly Policy[];
  readonly services?: readonly ServiceMapping[];
  readonly families?: readonly Family[];
  readonly denyWith?: "drop" | "reject";
}

function tableOf({ pods, policies = [], services = [], families = [4], denyWith = "drop" }: Scene): NftTable {
  const graph = new PolicyGraph();
  for (const policy of policies) graph.setPolicy(policy.id, policy);
  for (const endpoint of pods) graph.setEndpoint(endpoint.id, endpoint);
  graph.flush();
  const ruleset = new NodeRuleset(graph, {
    node: "n",
    interfaceOf: (id) => `tt${id.replace("default/", "")}`,
    podPrefix: "tt",
    families,
    uplink: "eth0",
    denyWith,
  });
  ruleset.start();
  ruleset.setServices(services);
  return ruleset.table;
}

/** The chains with this in their name, and whatever they use. */
function excerpt(table: NftTable, word: RegExp): NftTable {
  const sets = new Map<string, NftSet>();
  const chains = new Map<string, NftChain>();
  const takeChain = (name: string): void => {
    if (chains.has(name)) return;
    const chain = must(table.chains.get(name), `chain ${name}`);
    chains.set(name, chain);
    for (const statement of chain.rules.flatMap(({ statements }) => statements)) {
      if (statement.kind === "lookup") takeSet(statement.set);
      if (statement.kind === "verdict-map") takeSet(statement.map);
      if (statement.kind === "verdict" && "chain" in statement.to) takeChain(statement.to.chain);
    }
  };
  const takeSet = (name: string): void => {
    const set = must(table.sets.get(name), `set ${name}`);
    sets.set(name, set);
    if (set.kind !== "verdict-map") return;
    for (const verdict of set.elements.values()) if ("chain" in verdict) takeChain(verdict.chain);
  };
  for (const name of table.chains.keys()) if (word.test(name)) takeChain(name);
  return { name: TABLE_NAME, sets, chains };
}

function networkPolicy(name: string, spec: string): Policy {
  const text = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ${name}, namespace: default}\nspec: ${spec}\n`;
  const { objects, issues } = decodeTexts([{ file: `${name}.yaml`, text }]);
  const [object] = objects;
  if (object?.kind !== "NetworkPolicy" || issues.length > 0) throw new Error(JSON.stringify(issues));
  return fromNetworkPolicy(object);
}

function hostPolicy(where: string, rule: string): Policy {
  const text = `apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: hosts}\nspec: {selector: role == 'node', ${where}, types: [Ingress], ingress: [${rule}]}\n`;
  const { objects, issues } = decodeTexts([{ file: "hosts.yaml", text }]);
  const [object] = objects;
  if (object?.kind !== "GlobalNetworkPolicy" || issues.length > 0) throw new Error(JSON.stringify(issues));
  return fromGlobalNetworkPolicy(object, NO_FACTS);
}

function globalPolicy(
  name: string,
  tier: string,
  ingress: readonly [Rule["action"], Partial<Match>][],
): Policy {
  const origin: Origin = { object: `GlobalNetworkPolicy ${name}`, path: "", source: NO_SOURCE };
  return {
    id: origin.object,
    tier,
    order: 1,
    subject: { kind: "label", of: "endpoint", key: "app", test: { op: "in", values: ["db"] } },
    ingress: {
      governs: true,
      rules: ingress.map(([action, match], index) => ({
        action,
        match: { source: ANY_ENTITY, destination: ANY_ENTITY, ...match },
        origin: { ...origin, path: `spec.ingress[${index}]` },
      })),
    },
    egress: { governs: false },
    origin,
  };
}

const service = (name: string, backends: readonly string[]): ServiceMapping => ({
  service: `default/${name}`,
  protocol: PROTOCOL.TCP,
  addresses: [ip(`10.96.0.${name.length}`)],
  port: 80,
  portName: "http",
  family: 4,
  backends: backends.map((address) => ({ address: ip(address), port: 8080 })),
});

const policyTable = (policy: Policy, families: readonly Family[] = [4]): NftTable =>
  excerpt(tableOf({ pods: [DB, API, WEB], policies: [policy], families }), /^(in|out)\//);

export const GOLDENS: readonly Golden[] = [
  {
    file: "base-chains.nft",
    idea: "every packet to or from a pod meets its program; a pod's packet to itself meets none",
    table: excerpt(tableOf({ pods: [WEB] }), /^(forward|input)/),
  },
  {
    file: "policy.nft",
    idea: "a policy is a chain, whom it lets in a set",
    table: policyTable(
      networkPolicy(
        "db-policy",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 27017}]}]}",
      ),
    ),
  },
  {
    file: "both-families.nft",
    idea: "a rule with addresses becomes one for each family",
    table: policyTable(
      networkPolicy(
        "dual",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}]}",
      ),
      [4, 6],
    ),
  },
  {
    file: "ip-block-except.nft",
    idea: "exceptions are compared before the rule matches",
    table: policyTable(
      networkPolicy(
        "block",
        "{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.3.4/32]}}]}]}",
      ),
    ),
  },
  {
    file: "named-port.nft",
    idea: "a name is looked up with the pod's address, since each pod gives it a number of its own",
    table: policyTable(
      networkPolicy("named", "{podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: http}]}]}"),
    ),
  },
  {
    file: "port-range.nft",
    idea: "a range is one comparison",
    table: policyTable(
      networkPolicy(
        "range",
        "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 32000, endPort: 32768}, {protocol: UDP, port: 53}]}]}",
      ),
    ),
  },
  {
    file: "deny-all.nft",
    idea: "a policy without rules isolates: its tier's default denies",
    table: excerpt(
      tableOf({ pods: [DB], policies: [networkPolicy("deny-all", "{podSelector: {}}")] }),
      /^program-in/,
    ),
  },
  {
    file: "pass.nft",
    idea: "a tier in which a rule may pass is a chain of its own, left by a mark",
    table: excerpt(
      tableOf({
        pods: [DB],
        policies: [
          globalPolicy("gate", "kube-admin", [
            ["pass", { source: { nets: [cidr("10.0.0.0/8")] } }],
            ["deny", {}],
          ]),
          networkPolicy(
            "allow-dns",
            "{podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{protocol: UDP, port: 53}]}]}",
          ),
        ],
      }),
      /^program-in/,
    ),
  },
  {
    file: "log-and-icmp.nft",
    idea: "Log goes on with the next rule; ICMP is matched by type and code",
    table: policyTable(
      globalPolicy("icmp", "default", [
        ["log", {}],
        ["allow", { family: 4, protocol: PROTOCOL.ICMP, icmp: { type: 8, code: 0 } }],
        ["deny", { notProtocol: PROTOCOL.TCP }],
      ]),
      [4, 6],
    ),
  },
  {
    file: "host-endpoint.nft",
    idea: "a node's own interface: failsafe ports, what was allowed early, then its program; forwarding has its own",
    table: excerpt(
      tableOf({
        pods: [HOST],
        policies: [hostPolicy("applyOnForward: true", "{action: Deny, protocol: UDP}")],
      }),
      /^host-(input|forward-in)/,
    ),
  },
  {
    file: "untracked.nft",
    idea: "what an untracked policy allows is not tracked, and marked for the stages behind it",
    table: excerpt(
      tableOf({
        pods: [HOST],
        policies: [
          hostPolicy(
            "doNotTrack: true, applyOnForward: true",
            "{action: Allow, protocol: UDP, destination: {ports: [53]}}",
          ),
        ],
      }),
      /^host-untracked-in/,
    ),
  },
  {
    file: "reject.nft",
    idea: "denials that say so, by the tier's end as by a rule",
    table: excerpt(
      tableOf({
        pods: [DB],
        policies: [globalPolicy("no", "default", [["deny", { protocol: PROTOCOL.TCP }]])],
        denyWith: "reject",
      }),
      /^program-in/,
    ),
  },
  {
    file: "services.nft",
    idea: "a Service's address leads to a chain that picks a backend; without backends, to a drop",
    table: excerpt(
      tableOf({
        pods: [WEB],
        services: [service("web", ["192.168.0.3", "192.168.0.9"]), service("empty", [])],
      }),
      /^services-/,
    ),
  },
  {
    file: "service-doors.nft",
    idea: "a node port leads to a chain that marks what has to come back this way; affinity gives each client's slot a backend",
    table: excerpt(
      tableOf({
        pods: [WEB],
        services: [
          { ...service("web", ["192.168.0.3", "192.168.0.9"]), door: "external", masquerade: true },
          { ...service("sticky", ["192.168.0.3", "192.168.0.9"]), affinity: true },
        ],
      }),
      /^services-/,
    ),
  },
];
