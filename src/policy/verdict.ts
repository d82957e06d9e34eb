/** @module An answer, with all that made it. Both evaluators give this form, so that one text explains either. */
import type { Direction, Endpoint, Flow, Policy, PortMatch, Rule } from "./model.ts";

export interface Verdict {
  readonly flow: Flow;
  readonly allowed: boolean;
  /** The source's side. */
  readonly egress: DirectionVerdict;
  /** The destination's side. */
  readonly ingress: DirectionVerdict;
  /** What host endpoints on the way say, in the order of the way; empty where no object describes one. */
  readonly hosts: readonly HostVerdict[];
}

/**
 * When a host endpoint is asked: before connection tracking, before Service translation, for connections of the node's
 * own processes, or for those that the node forwards. Workloads know `normal` alone.
 */
export type Stage = "untracked" | "pre-dnat" | "normal" | "forward";

export interface HostVerdict extends DirectionVerdict {
  /** Mostly a host endpoint; the pod itself where an untracked reply is a new packet to it. */
  readonly host: Endpoint;
  readonly stage: Stage;
  /** Whether it is about what comes back. */
  readonly reply: boolean;
}

export interface DirectionVerdict {
  readonly direction: Direction;
  readonly allowed: boolean;
  readonly decision: Decision;
  /** Rules that matched on the way without deciding: Pass and Log, in order. */
  readonly passing: readonly RuleMatch[];
}

export interface RuleMatch {
  readonly policy: Policy;
  readonly rule: Rule;
  /** The port entry that matched, where the rule names ports. */
  readonly port?: PortMatch;
}

export type Decision =
  /** Nothing is enforced on this side. */
  | { readonly kind: "exempt"; readonly reason: ExemptReason }
  /** No policy governs this direction of the endpoint, or all that do passed it on: its profile decides. */
  | { readonly kind: "profile" }
  | ({ readonly kind: "rule" } & RuleMatch)
  /** An untracked policy allows it, and what is not tracked is not translated: it never arrives behind the Service. */
  | ({ readonly kind: "untranslated" } & RuleMatch)
  /** Policies of the tier govern this direction, and no rule of theirs matched. */
  | { readonly kind: "tier-default"; readonly tier: string; readonly isolating: readonly Policy[] };

export type ExemptReason =
  /** The party is outside the cluster: there is no endpoint to enforce at. */
  | "outside"
  /** The party is a node or a pod on the host's network. */
  | "node"
  /** A pod always reaches itself. */
  | "self"
  /** A node always reaches its own pods. */
  | "own-node"
  /** A port that stays open on host endpoints whatever policies say. */
  | "failsafe"
  /** IPv6 would not work on a node's link without it. */
  | "neighbour-discovery";
