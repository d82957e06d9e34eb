/**
 * @module A connection's way: the endpoints that are asked about it, in order. Both evaluators walk it; they differ in
 * how one endpoint answers.
 *
 * ```
 *  source pod ─ egress ─► [its node's interface ─ egress] ═► [the other node's interface ─ ingress] ─► ingress ─ pod
 * ```
 *
 * A node's interface has a say only where a host endpoint describes it. Before connection tracking it asks untracked
 * policies, before Service translation pre-DNAT ones, then those for its own processes (normal) or for what it forwards.
 * @see https://docs.tigera.io/calico/latest/network-policy/hosts/
 */
import { formatIp, type Ip } from "../base/ip.ts";
import { FAILSAFE_PORTS, isNeighbourDiscovery } from "./failsafe.ts";
import { type Direction, type Endpoint, type Flow, icmpReply, isSelf, nodeOf, type Party } from "./model.ts";
import type { Decision, DirectionVerdict, HostVerdict, Stage, Verdict } from "./verdict.ts";

/** Where a question is asked: at an endpoint, for one direction of it. Workloads know the stage `normal` alone. */
export interface Point {
  readonly endpoint: Endpoint;
  readonly direction: Direction;
  readonly stage: Stage;
}

/** How an endpoint answers. */
export interface Court {
  /** Whether there is any host endpoint at all. */
  readonly hasHosts: boolean;
  /** @returns undefined where the stage has nothing to say: the next one is asked */
  decide(point: Point, flow: Flow): DirectionVerdict | undefined;
  /** The host endpoint of the interface by which the node reaches all others. */
  uplink(node: string): Endpoint | undefined;
  /** The host endpoint of all the node's interfaces, to pods included. */
  wildcard(node: string): Endpoint | undefined;
}

const NONE: readonly HostVerdict[] = [];

/** Allowed where all that are asked allow. */
export function judge(flow: Flow, court: Court): Verdict {
  const egress = partySide(flow, "egress", court);
  const ingress = partySide(flow, "ingress", court);
  const hosts = court.hasHosts ? hostVerdicts(flow, court) : NONE;
  const allowed = egress.allowed && ingress.allowed && hosts.every((host) => host.allowed);
  return { flow, allowed, egress, ingress, hosts };
}

function partySide(flow: Flow, direction: Direction, court: Court): DirectionVerdict {
  const subject = direction === "egress" ? flow.source : flow.destination;
  const exempt = exemption(flow, direction);
  if (exempt || subject.kind !== "endpoint") {
    const decision = exempt ?? { kind: "exempt", reason: "outside" };
    return { direction, allowed: true, decision, passing: [] };
  }
  const verdict = court.decide({ endpoint: subject.endpoint, direction, stage: "normal" }, flow);
  return verdict ?? { direction, allowed: false, decision: { kind: "profile" }, passing: [] };
}

/** What is exempt from policy on one side, before any policy is looked at. */
function exemption(flow: Flow, direction: Direction): Extract<Decision, { kind: "exempt" }> | undefined {
  const subject = direction === "egress" ? flow.source : flow.destination;
  const other = direction === "egress" ? flow.destination : flow.source;
  if (subject.kind === "outside") return { kind: "exempt", reason: "outside" };
  if (subject.kind === "node") return { kind: "exempt", reason: "node" };
  if (other.kind === "endpoint" && other.endpoint.id === subject.endpoint.id)
    return { kind: "exempt", reason: "self" };
  if (direction === "ingress" && other.kind === "node" && other.node === subject.endpoint.node) {
    return { kind: "exempt", reason: "own-node" };
  }
  if (other.kind === "node" && other.node === subject.endpoint.node && isNeighbourDiscovery(flow))
    return { kind: "exempt", reason: "neighbour-discovery" };
  return undefined;
}

// ── nodes' interfaces ───────────────────────────────────────────────────────────────────────────────────────────

function hostVerdicts(flow: Flow, court: Court): HostVerdict[] {
  const from = nodeOf(flow.source);
  const to = nodeOf(flow.destination);
  if (isSelf(flow) && !flow.untranslated) return [];
  const verdicts = leavingPod(flow, court);
  const out = from === undefined ? undefined : court.uplink(from);
  if (from === to) {
    // What a process sends to a Service is on its way out until it is translated.
    if (out && flow.source.kind === "node" && flow.untranslated)
      verdicts.push(...stages(out, flow, "egress", ["untracked"], court));
    return [...verdicts, ...enteringPod(flow, court)];
  }
  if (out) verdicts.push(...crossing(out, flow, flow.source, "egress", court));
  const into = to === undefined ? undefined : court.uplink(to);
  if (into) {
    const { untranslated: _, ...translated } = flow;
    verdicts.push(...crossing(into, translated, flow.destination, "ingress", court));
  }
  return [...verdicts, ...enteringPod(flow, court)];
}

/**
 * A pod's link is one of the node's interfaces: the host endpoint of all of them is asked about what comes in by it, for
 * what is then forwarded as well, though not for the node's own processes.
 */
function leavingPod(flow: Flow, court: Court): HostVerdict[] {
  if (flow.source.kind !== "endpoint") return [];
  const { node } = flow.source.endpoint;
  const wildcard = court.wildcard(node);
  if (!wildcard) return [];
  const isForwarded = flow.destination.kind !== "node" || flow.destination.node !== node;
  return stages(wildcard, flow, "ingress", isForwarded ? ["pre-dnat", "forward"] : ["pre-dnat"], court);
}

/** And about what is forwarded out by it. A node's own connections to its pods are not. */
function enteringPod(flow: Flow, court: Court): HostVerdict[] {
  if (flow.destination.kind !== "endpoint") return [];
  const { node } = flow.destination.endpoint;
  const wildcard = court.wildcard(node);
  const isForwarded = flow.source.kind !== "node" || flow.source.node !== node;
  return wildcard && isForwarded ? stages(wildcard, flow, "egress", ["forward"], court) : [];
}

/** @param local - the party on this side of the interface */
function crossing(
  host: Endpoint,
  flow: Flow,
  local: Party,
  direction: Direction,
  court: Court,
): HostVerdict[] {
  const there = stages(host, flow, direction, stagesOf(local, direction), court);
  if (there.some(({ allowed }) => !allowed)) return there;
  const untracked = there.some(({ stage, decision }) => stage === "untracked" && decision.kind === "rule");
  return [
    ...there,
    ...replies(host, reverse(flow), local, { direction: opposite(direction), untracked }, court),
  ];
}

function stagesOf(local: Party, direction: Direction): readonly Stage[] {
  if (direction === "egress") return local.kind === "node" ? ["untracked", "normal"] : ["forward"];
  return ["untracked", "pre-dnat", local.kind === "node" ? "normal" : "forward"];
}

/** The stages in order, up to the one that decides. An Allow skips the later ones of this interface. */
function stages(
  host: Endpoint,
  flow: Flow,
  direction: Direction,
  names: readonly Stage[],
  court: Court,
): HostVerdict[] {
  for (const stage of names) {
    const seen = stage === "untracked" || stage === "pre-dnat" ? beforeTranslation(flow) : flow;
    const reason = sparedAs(seen, direction, stage);
    if (reason) {
      if (stage !== "normal") continue;
      const decision = { kind: "exempt", reason } as const;
      return [{ direction, allowed: true, decision, passing: [], host, stage, reply: false }];
    }
    const verdict = court.decide({ endpoint: host, direction, stage }, seen);
    if (verdict) return [{ ...withoutTracking(verdict, stage, flow), host, stage, reply: false }];
  }
  return [];
}

/** A Service is translated on the client's node, behind the stages that come before connection tracking and translation. */
export function beforeTranslation(flow: Flow): Flow {
  if (!flow.untranslated) return flow;
  const { address, port } = flow.untranslated;
  return { ...flow, destination: { kind: "outside", address }, destinationPort: port };
}

function withoutTracking(verdict: DirectionVerdict, stage: Stage, flow: Flow): DirectionVerdict {
  if (stage !== "untracked" || !flow.untranslated || !verdict.allowed || verdict.decision.kind !== "rule")
    return verdict;
  return { ...verdict, allowed: false, decision: { ...verdict.decision, kind: "untranslated" } };
}

/**
 * What comes back. Replies belong to the connection and are not asked about, with two exceptions: untracked policies see
 * every packet, and what they allowed left no trace of a connection that replies could belong to.
 */
function replies(
  host: Endpoint,
  reply: Flow,
  local: Party,
  { direction, untracked }: { readonly direction: Direction; readonly untracked: boolean },
  court: Court,
): HostVerdict[] {
  const names = stagesOf(local, direction);
  const asReply = (verdicts: readonly HostVerdict[]): HostVerdict[] =>
    verdicts.map((verdict) => ({ ...verdict, reply: true }));
  if (untracked) return asReply([...fromPod(), ...stages(host, reply, direction, names, court), ...atPod()]);
  if (!names.includes("untracked")) return [];
  const seen = asReply(stages(host, reply, direction, ["untracked"], court));
  return seen.some(({ allowed }) => allowed) ? [...seen, ...asReply(atPod())] : seen;

  /** A reply that belongs to no connection is a new one to the pod, and to the pod's link. */
  function fromPod(): HostVerdict[] {
    return direction === "egress" ? leavingPod(reply, court) : [];
  }

  function atPod(): HostVerdict[] {
    if (local.kind !== "endpoint") return [];
    const link = direction === "ingress" ? enteringPod(reply, court) : [];
    const verdict = court.decide({ endpoint: local.endpoint, direction, stage: "normal" }, reply);
    return [
      ...link,
      ...(verdict ? [{ ...verdict, host: local.endpoint, stage: "normal" as const, reply: true }] : []),
    ];
  }
}

function opposite(direction: Direction): Direction {
  return direction === "ingress" ? "egress" : "ingress";
}

function reverse(flow: Flow): Flow {
  const { sourcePort, destinationPort, icmp } = flow;
  return {
    source: flow.destination,
    destination: flow.source,
    protocol: flow.protocol,
    ...(destinationPort !== undefined && { sourcePort: destinationPort }),
    ...(sourcePort !== undefined && { destinationPort: sourcePort }),
    ...(icmp && { icmp: icmpReply(icmp) }),
  };
}

/** Why no policy of the stage is asked; never for what a node forwards. */
function sparedAs(
  flow: Flow,
  direction: Direction,
  stage: Stage,
): "failsafe" | "neighbour-discovery" | undefined {
  if (stage === "forward") return undefined;
  if (isNeighbourDiscovery(flow)) return "neighbour-discovery";
  return isFailsafe(flow, direction, stage) ? "failsafe" : undefined;
}

/** Untracked policies see replies as packets of their own: those from a failsafe port are spared as well. */
function isFailsafe(flow: Flow, direction: Direction, stage: Stage): boolean {
  const { protocol, sourcePort, destinationPort } = flow;
  if (hasFailsafe(direction, protocol, destinationPort)) return true;
  return stage === "untracked" && hasFailsafe(opposite(direction), protocol, sourcePort);
}

function hasFailsafe(direction: Direction, protocol: number, port: number | undefined): boolean {
  return FAILSAFE_PORTS[direction].some((entry) => entry.protocol === protocol && entry.port === port);
}

const ALL_INTERFACES = "*";

/**
 * The host endpoint of a node's way to other machines, as far as objects tell: one that names an interface, or expects an
 * address of the node; of several the first by name, as Calico chooses. One for all interfaces is what remains.
 * @param hosts - host endpoints of the node
 */
export function uplinkEndpoint(hosts: readonly Endpoint[], addresses: readonly Ip[]): Endpoint | undefined {
  const own = new Set(addresses.map(formatIp));
  const describes = ({ interfaceName = "", addresses: expected }: Endpoint): boolean =>
    interfaceName === "" ? expected.some((ip) => own.has(formatIp(ip))) : interfaceName !== ALL_INTERFACES;
  return firstByName(hosts.filter(describes)) ?? wildcardEndpoint(hosts);
}

export function wildcardEndpoint(hosts: readonly Endpoint[]): Endpoint | undefined {
  return firstByName(hosts.filter(({ interfaceName }) => interfaceName === ALL_INTERFACES));
}

function firstByName(hosts: readonly Endpoint[]): Endpoint | undefined {
  return hosts.reduce<Endpoint | undefined>(
    (first, host) => (first === undefined || host.id < first.id ? host : first),
    undefined,
  );
}
