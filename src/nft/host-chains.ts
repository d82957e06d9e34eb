/**
 * @module A node's own interface as chains, where host endpoints describe it: what is asked before connection tracking,
 * before Service translation, for the node's own processes and for what it forwards. A node without host endpoints has
 * none of these chains.
 *
 * ```
 *  raw −300 ─► mangle −150 ─► (translation) ─► input −1           to a process of the node
 *                                          └─► forward −2 … +2    to or from a pod, around the pods' own chains
 *  output: raw −300 ─► (translation) ─► output 0                  from a process of the node
 * ```
 *
 * What an early stage allows is marked, and later stages of the interface let it pass. The output hook knows the interface
 * that a packet was to leave by before it was translated: what goes to a pod of the node, or to the node itself, is told by
 * its address.
 * @see https://docs.tigera.io/calico/latest/network-policy/hosts/
 */
import { type Family, formatCidr, hostCidr, type Ip } from "../base/ip.ts";
import type { DirectionProgram } from "../calc/types.ts";
import { FAILSAFE_PORTS } from "../policy/failsafe.ts";
import { type Direction, PROTOCOL } from "../policy/model.ts";
import { established, NEIGHBOUR_DISCOVERY_RULE, rule } from "./compile-chains.ts";
import { ALLOWED_MARK, addressField, type SetNeed } from "./compile-rule.ts";
import { BASE, portSet, programChain, selfSet } from "./names.ts";
import type { NftChain, NftField, NftHook, NftRule, NftStatement, NftVerdict } from "./table.ts";

/** A program at its place. */
export interface HostStage {
  readonly place: HostPlace;
  readonly direction: Direction;
  readonly program: DirectionProgram;
  /** Which interfaces it is asked at: the node's way to others, or the pods' links. */
  readonly link: "uplink" | "pods";
}

export type HostPlace = "untracked" | "pre-dnat" | "normal" | "forward";

type FailsafeSets = Readonly<Record<Direction, Readonly<Record<"tcp" | "udp", SetNeed>>>>;

function failsafePorts(direction: Direction, protocol: number): SetNeed {
  const ports = FAILSAFE_PORTS[direction]
    .filter((entry) => entry.protocol === protocol)
    .map(({ port }) => port)
    .sort((a, b) => a - b);
  return { kind: "ports", name: portSet(ports), ports };
}

const FAILSAFE_SETS: FailsafeSets = {
  ingress: { tcp: failsafePorts("ingress", PROTOCOL.TCP), udp: failsafePorts("ingress", PROTOCOL.UDP) },
  egress: { tcp: failsafePorts("egress", PROTOCOL.TCP), udp: failsafePorts("egress", PROTOCOL.UDP) },
};

/** The sets that the chains of any host endpoint use. */
export const HOST_SET_NEEDS: readonly SetNeed[] = Object.values(FAILSAFE_SETS).flatMap(({ tcp, udp }) => [
  tcp,
  udp,
]);

const accept: NftStatement = { kind: "verdict", to: { verdict: "accept" } };
const allowedBefore: NftRule = rule({ kind: "mark-test", mask: ALLOWED_MARK, value: ALLOWED_MARK }, accept);
/** A mark that came with the packet, from a socket or another table, says nothing of ours. */
const nothingAllowedYet: NftRule = rule({ kind: "mark-set", mask: ALLOWED_MARK, value: 0 });

/** What the chains tell packets apart by. */
export interface HostOptions {
  readonly uplink: string;
  readonly podPrefix: string;
  readonly families: readonly Family[];
  /** The node's own. */
  readonly addresses: readonly Ip[];
}

/**
 * The base chains that the stages need, of which empty programs need none.
 * @param stages - at most one for each place, direction and kind of interface
 */
export function hostBaseChains(stages: readonly HostStage[], options: HostOptions): NftChain[] {
  const { families, addresses } = options;
  const asked = stages.filter(({ program }) => program.key !== "");
  const at = (place: HostPlace, direction: Direction): readonly HostStage[] =>
    asked.filter((stage) => stage.place === place && stage.direction === direction);
  const chains: NftChain[] = [];
  const add = (name: string, hook: Omit<NftHook, "type" | "policy">, rules: readonly NftRule[]): void => {
    chains.push({ name, hook: { type: "filter", policy: "accept", ...hook }, rules });
  };
  const dispatch = (stages: readonly HostStage[]): NftRule[] =>
    stages.map((stage) => dispatchRule(stage, options));

  const rawIn = at("untracked", "ingress");
  const rawOut = at("untracked", "egress");
  const preDnat = at("pre-dnat", "ingress");
  // Only what a stage before may have marked is asked for its mark; the first stage takes off what is there.
  const afterRaw = rawIn.length > 0 ? allowedBefore : nothingAllowedYet;
  const afterEarlyIn = rawIn.length > 0 || preDnat.length > 0 ? [allowedBefore] : [];
  const afterEarlyOut = rawOut.length > 0 ? [allowedBefore] : [];
  if (rawIn.length > 0)
    add(BASE.hostRawIn, { hook: "prerouting", priority: RAW }, [
      nothingAllowedYet,
      NEIGHBOUR_DISCOVERY_RULE,
      ...failsafeRules("ingress", true),
      ...dispatch(rawIn),
    ]);
  if (rawOut.length > 0)
    add(BASE.hostRawOut, { hook: "output", priority: RAW }, [
      nothingAllowedYet,
      NEIGHBOUR_DISCOVERY_RULE,
      ...failsafeRules("egress", true),
      ...dispatch(rawOut),
    ]);
  if (preDnat.length > 0) {
    add(BASE.hostPreDnat, { hook: "prerouting", priority: MANGLE }, [
      established,
      afterRaw,
      NEIGHBOUR_DISCOVERY_RULE,
      ...failsafeRules("ingress", false),
      ...dispatch(preDnat),
    ]);
  }
  const normalIn = at("normal", "ingress");
  if (normalIn.length > 0) {
    add(BASE.hostIn, { hook: "input", priority: -1 }, [
      established,
      ...afterEarlyIn,
      NEIGHBOUR_DISCOVERY_RULE,
      ...failsafeRules("ingress", false),
      ...dispatch(normalIn),
    ]);
  }
  const normalOut = at("normal", "egress");
  if (normalOut.length > 0) {
    add(BASE.hostOut, { hook: "output", priority: 0 }, [
      established,
      ...toOwnPods(families),
      ...toOwnNode(addresses.filter(({ family }) => families.includes(family))),
      ...afterEarlyOut,
      NEIGHBOUR_DISCOVERY_RULE,
      ...failsafeRules("egress", false),
      ...dispatch(normalOut),
    ]);
  }
  const forwardIn = at("forward", "ingress");
  if (forwardIn.length > 0)
    add(BASE.hostForwardIn, { hook: "forward", priority: -2 }, [
      established,
      ...afterEarlyIn,
      ...dispatch(forwardIn),
    ]);
  const forwardOut = at("forward", "egress");
  if (forwardOut.length > 0)
    add(BASE.hostForwardOut, { hook: "forward", priority: 2 }, [established, ...dispatch(forwardOut)]);
  return chains;
}

/** The set of pods that reach themselves holds every address of the node's pods, twice. */
function toOwnPods(families: readonly Family[]): NftRule[] {
  return families.map((family) => {
    const field = addressField("destination", family);
    return rule({ kind: "lookup", fields: [field, field], set: selfSet(family), present: true }, accept);
  });
}

/** Through a Service: what was to leave by the interface before translation stays on the node. */
function toOwnNode(addresses: readonly Ip[]): NftRule[] {
  return addresses.map((ip) => {
    const field = ip.family === 4 ? "destination-address4" : "destination-address6";
    return rule({ kind: "prefix", field, cidr: formatCidr(hostCidr(ip)), inside: true }, accept);
  });
}

/** nftables' own names for these: raw and mangle. */
const RAW = -300;
const MANGLE = -150;

function interfaceOf(direction: Direction): "in-interface" | "out-interface" {
  return direction === "ingress" ? "in-interface" : "out-interface";
}

/** A program with a last word ends the base chain; one without comes back to it. */
function dispatchRule({ direction, program, link }: HostStage, { uplink, podPrefix }: HostOptions): NftRule {
  const field = interfaceOf(direction);
  const chain = programChain(direction, program.key);
  const to: NftVerdict = { verdict: program.profile === "none" ? "jump" : "goto", chain };
  const at: NftStatement =
    link === "pods"
      ? { kind: "interface-prefix", field, prefix: podPrefix }
      : { kind: "compare", field, equal: true, value: uplink };
  return rule(at, { kind: "verdict", to });
}

/**
 * To accept here is to leave this chain, which asks nothing else of other interfaces: no rule needs to name one.
 * @param replies - whether what answers a failsafe connection must be let through as well
 */
function failsafeRules(direction: Direction, replies: boolean): NftRule[] {
  const ports = (sets: FailsafeSets[Direction], field: NftField): NftRule[] =>
    (
      [
        [PROTOCOL.TCP, sets.tcp],
        [PROTOCOL.UDP, sets.udp],
      ] as const
    ).map(([protocol, set]) => ({
      statements: [
        { kind: "compare", field: "protocol", equal: true, value: protocol },
        { kind: "lookup", fields: [field], set: set.name, present: true },
        { kind: "counter" },
        accept,
      ],
      comment: "a failsafe port",
    }));
  const answered = direction === "ingress" ? "egress" : "ingress";
  return [
    ...ports(FAILSAFE_SETS[direction], "destination-port"),
    ...(replies ? ports(FAILSAFE_SETS[answered], "source-port") : []),
  ];
}
