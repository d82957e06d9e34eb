/** @module What a probe asks and answers, and what an errno or an ICMP error says about it. */
import { ECONNREFUSED, EINVAL, ENOPROTOOPT, EPROTO } from "./constants.ts";
import { errnoName } from "./libc.ts";
import type { Netns } from "./netns.ts";
import type { QueuedError } from "./sockets.ts";

export const DEFAULT_TIMEOUT_MS = 400;

export type ProbeProtocol = "tcp" | "udp" | "icmp" | "sctp";

export interface ProbeSource {
  readonly namespace: Netns;
  readonly address: string;
}

export interface ProbeRequest {
  readonly from: ProbeSource;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  /** For all but ICMP. */
  readonly port?: number;
  /** Echo request when absent. Of other kinds only the arrival is observed: the kernel answers hardly any of them. */
  readonly icmp?: { readonly type: number; readonly code: number };
  /** How long nothing may be heard before the probe is silent; 400 when absent. */
  readonly timeoutMs?: number;
}

export type ProbeOutcome = "open" | "refused" | "rejected" | "silent";

export interface ProbeResult {
  readonly outcome: ProbeOutcome;
  /** Whether the packet arrived: "open" or "refused". */
  readonly reachable: boolean;
  /** The errno or ICMP message behind the outcome, for people. */
  readonly detail?: string;
}

export function result(outcome: ProbeOutcome, detail?: string): ProbeResult {
  const reachable = outcome === "open" || outcome === "refused";
  return detail === undefined ? { outcome, reachable } : { outcome, reachable, detail };
}

/** What an errno of connect or send says. EINVAL is a blackhole route's (ip-route(8)): nobody says anything. */
export function refusalOf(number: number): ProbeResult {
  return result(number === EINVAL ? "silent" : "rejected", errnoName(number));
}

/** An ICMP error from the destination itself means that the packet arrived there. */
export function errorOf(error: QueuedError, to: string): ProbeResult {
  const own = error.offender === to && [ECONNREFUSED, ENOPROTOOPT, EPROTO].includes(error.errno);
  const detail = `${errnoName(error.errno)}, ICMP ${error.type}/${error.code} from ${error.offender ?? "this host"}`;
  return result(own ? "refused" : "rejected", detail);
}
