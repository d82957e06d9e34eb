/** @module Policies that close more than a cluster can live without: nodes' interfaces, DNS, the API server. */
import type { Issue } from "../base/issue.ts";
import type { PolicyState, SelectorState, TierProgram } from "../calc/types.ts";
import { hasDefaults } from "../policy/evaluate.ts";
import { FAILSAFE_PORTS } from "../policy/failsafe.ts";
import {
  type Direction,
  type EntityMatch,
  type Match,
  type PortMatch,
  PROTOCOL,
  protocolName,
} from "../policy/model.ts";
import { type Selectable, selects } from "../policy/selector.ts";
import { assumedNamespaceLabels, comparePolicies } from "../policy/world.ts";
import { finding, isNamespaced, type LintView, listed } from "./lint-view.ts";

/** A port that is asked about; without one, any packet. */
interface Packet {
  readonly protocol: number;
  readonly port: number;
}

type TierPolicies = Pick<TierProgram, "defaultAction" | "policies">;

/**
 * @returns the policies by which every such packet is denied, whoever is at the other end; undefined where some rule may
 *   let one through, or nothing decides. Cost: the rules up to the one that decides
 */
function closedBy(
  tiers: readonly TierPolicies[],
  direction: Direction,
  packet?: Packet,
): readonly PolicyState[] | undefined {
  for (const { policies, defaultAction } of tiers) {
    const end = tierEnd(policies, direction, packet);
    if (end === "open") return undefined;
    if (end === "passed") continue;
    if (end !== "exhausted") return [end];
    if (defaultAction === "deny") return policies;
  }
  return undefined;
}

/** @returns the policy that denies all; `open` where it depends on who asks */
function tierEnd(
  policies: readonly PolicyState[],
  direction: Direction,
  packet: Packet | undefined,
): PolicyState | "open" | "passed" | "exhausted" {
  for (const state of policies) {
    for (const { rule } of state[direction] ?? []) {
      if (rule.action === "log" || !mayMatch(rule.match, packet)) continue;
      if (rule.action === "allow") return "open";
      if (rule.action === "pass") return matchesAll(rule.match, packet) ? "passed" : "open";
      if (matchesAll(rule.match, packet)) return state;
    }
  }
  return "exhausted";
}

function mayMatch({ protocol, notProtocol, icmp, source, destination }: Match, packet?: Packet): boolean {
  if (source.nets?.length === 0 || destination.nets?.length === 0) return false;
  if (!packet) return true;
  if (icmp || (protocol !== undefined && protocol !== packet.protocol)) return false;
  return notProtocol !== packet.protocol && (destination.ports?.some((port) => covers(port, packet)) ?? true);
}

/** A name may stand for any number. */
function covers(port: PortMatch, packet: Packet): boolean {
  return port.kind === "named" || (port.first <= packet.port && packet.port <= port.last);
}

/** Whether every such packet matches, between whomever. */
function matchesAll(match: Match, packet: Packet | undefined): boolean {
  const { family, protocol, notProtocol, icmp, notIcmp, source, destination } = match;
  if (family !== undefined || icmp || !isAnyone(source) || !isAnyone(destination)) return false;
  if (source.ports || source.notPorts || destination.notPorts) return false;
  if (!packet) return protocol === undefined && notProtocol === undefined && !notIcmp && !destination.ports;
  return destination.ports?.some((port) => port.kind === "range" && covers(port, packet)) ?? true;
}

function isAnyone({ selector, notSelector, nets, notNets }: EntityMatch): boolean {
  return (!selector || selector.kind === "all") && !notSelector && !nets && !notNets;
}

// ── host endpoints ──────────────────────────────────────────────────────────────────────────────────────────────

/** What nodes need that is no failsafe. */
const NEEDED: Readonly<Record<Direction, string>> = {
  ingress: "the kubelet (TCP 10250) and NodePorts too",
  egress: "image registries (TCP 443) too",
};

/** Policies by which nothing but the failsafe ports remains of a node's interface. Cost: host endpoints × their rules. */
export function* closedHosts({ cluster, hosts }: LintView): Iterable<Issue> {
  for (const direction of ["ingress", "egress"] as const) {
    const byPolicy = new Map<PolicyState, string[]>();
    for (const { host, identity } of hosts) {
      const [policy] = closedBy(cluster.graph.programOf(identity)[direction].tiers, direction) ?? [];
      if (!policy) continue;
      const names = byPolicy.get(policy);
      if (names) names.push(host.id);
      else byPolicy.set(policy, [host.id]);
    }
    for (const [state, names] of byPolicy) {
      yield finding(state.policy.origin, {
        code: "cuts-failsafe",
        path: `spec.${direction}`,
        message: `nothing is let ${direction === "ingress" ? "in at" : "out at"} ${listed(names.sort())}: of the nodes' own connections only the failsafe ports stay open (${failsafeText(direction)}), everything else is dropped, ${NEEDED[direction]}`,
        hint: "allow what the nodes need here, or in a policy of the same tier",
      });
    }
  }
}

/** `TCP 22, 179, 6443; UDP 68`. */
export function failsafeText(direction: Direction): string {
  const byProtocol = new Map<number, number[]>();
  for (const { protocol, port } of FAILSAFE_PORTS[direction])
    byProtocol.set(protocol, [...(byProtocol.get(protocol) ?? []), port]);
  return [...byProtocol]
    .map(([protocol, ports]) => `${protocolName(protocol)} ${ports.join(", ")}`)
    .join("; ");
}

// ── what pods need ──────────────────────────────────────────────────────────────────────────────────────────────

interface Need {
  readonly code: string;
  /** All of them closed: the need is cut. */
  readonly packets: readonly Packet[];
  readonly what: string;
  readonly hint: string;
}

const NEEDS: readonly Need[] = [
  {
    code: "cuts-dns",
    packets: [{ protocol: PROTOCOL.UDP, port: 53 }],
    what: "DNS (UDP and TCP 53 to kube-system)",
    hint: "allow UDP and TCP 53 to the pods with k8s-app=kube-dns in kube-system, or leave namespaces out by a namespaceSelector",
  },
  {
    code: "cuts-api-server",
    packets: [
      { protocol: PROTOCOL.TCP, port: 6443 },
      { protocol: PROTOCOL.TCP, port: 443 },
    ],
    what: "the API server (TCP 6443 or 443)",
    hint: "allow TCP 6443 to the API server's addresses, or leave kube-system out by a namespaceSelector",
  },
];

const SYSTEM = "kube-system";
/** Any other: a pod of it stands for those of everybody. */
const ELSEWHERE = "default";

/**
 * Cluster-wide policies that keep pods from what each of them needs: asked of a pod without labels, which no policy is
 * about that is not about all. In kube-system both needs are looked at, elsewhere DNS.
 *
 * Cost: two evaluations of each distinct subject of cluster-wide policies.
 */
export function* closedPods(view: LintView): Iterable<Issue> {
  const system = egressOf(view, SYSTEM);
  const elsewhere = egressOf(view, ELSEWHERE);
  for (const { code, packets, what, hint } of NEEDS) {
    const inSystem = cutFrom(system, packets);
    const outside = cutFrom(elsewhere, packets);
    const told = new Set([
      ...(inSystem ? [inSystem] : []),
      ...(outside && code === "cuts-dns" ? [outside] : []),
    ]);
    for (const state of told) {
      const whom =
        state === outside
          ? state === inSystem
            ? "pods, those of kube-system too,"
            : "pods"
          : "the pods of kube-system";
      yield finding(state.policy.origin, {
        code,
        path: "spec.egress",
        message: `it keeps ${whom} from ${what}, but for those that another policy lets go there`,
        hint,
      });
    }
  }
}

/** @returns the policy by which all of the packets are denied */
function cutFrom(tiers: readonly TierPolicies[], packets: readonly Packet[]): PolicyState | undefined {
  const closed = packets.map((packet) => closedBy(tiers, "egress", packet));
  return closed.every((by) => by !== undefined) ? closed[0]?.[0] : undefined;
}

function egressOf({ cluster, policies, tiers }: LintView, namespace: string): TierPolicies[] {
  const subject: Selectable = {
    kind: "pod",
    namespace,
    labels: {},
    namespaceLabels: cluster.graph.namespaces.get(namespace) ?? assumedNamespaceLabels(namespace),
    serviceAccount: "default",
    serviceAccountLabels: {},
  };
  const answers = new Map<SelectorState, boolean>();
  const isSelected = (selector: SelectorState): boolean => {
    const answer = answers.get(selector) ?? selects(selector.selector, subject);
    answers.set(selector, answer);
    return answer;
  };
  const applying = policies
    .filter(
      (state) =>
        state.egress && !isNamespaced(state) && state.policy.stage === undefined && isSelected(state.subject),
    )
    .sort((a, b) => comparePolicies(a.policy, b.policy));
  return [...tiers.values()].flatMap(({ name, defaultAction }) => {
    const own = applying.filter(({ policy }) => policy.tier === name);
    return own.length === 0 ? [] : [{ defaultAction, policies: own }];
  });
}

// ── logs ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Log decides nothing, so a policy that only logs isolates all the same. Cost: all rules. */
export function* logOnly({ policies, tiers }: LintView): Iterable<Issue> {
  for (const state of policies) {
    const { policy } = state;
    if (tiers.get(policy.tier)?.defaultAction === "pass" || !hasDefaults(policy.stage ?? "normal")) continue;
    for (const direction of ["ingress", "egress"] as const) {
      const rules = state[direction] ?? [];
      if (rules.length === 0 || rules.some(({ rule }) => rule.action !== "log")) continue;
      yield finding(policy.origin, {
        code: "log-only",
        path: `spec.${direction}`,
        message: `its rules only log, and Log decides nothing: what no other policy of tier ${policy.tier} allows is denied at the tier's end`,
        hint: "end with a Pass or an Allow rule where the policy was only to watch",
      });
    }
  }
}
