/** @module A peer of a cluster-wide policy's rule: exactly one of what it may be. */
import { formatCidr } from "../../base/ip.ts";
import { decodeAlternatives } from "../decode/alternatives.ts";
import { BAD, type Cursor, fieldNames } from "../decode/cursor.ts";
import { decodeCidr } from "../networking/decode-ip-block.ts";
import { decodeNamespacedPods, decodeRequiredSelector, onlyField } from "./decode-pod-peer.ts";
import type { ClusterPolicyPeer, ClusterPolicyRule } from "./types.ts";

type PeerField = "namespaces" | "pods" | "nodes" | "networks" | "domainNames";

const INGRESS: ReadonlySet<PeerField> = new Set(["namespaces", "pods"] as const);
const EGRESS: ReadonlySet<PeerField> = new Set([...INGRESS, "nodes", "networks", "domainNames"] as const);
const ONLY_EGRESS: ReadonlySet<string> = fieldNames("nodes networks domainNames");
const MAX_NETWORKS = 25;

export interface PeerPlace {
  readonly direction: "ingress" | "egress";
  /** undefined where it could not be read. */
  readonly action: ClusterPolicyRule["action"] | undefined;
}

export function decodeClusterPeer(cursor: Cursor, place: PeerPlace): ClusterPolicyPeer | typeof BAD {
  const fields = cursor.isAbsent ? cursor.required() : cursor.fields(EGRESS);
  if (fields === BAD || fields === undefined) return BAD;
  if (place.direction === "ingress") {
    const misplaced = [...ONLY_EGRESS].filter((name) => !fields.at(name).isAbsent);
    for (const name of misplaced) {
      fields.at(name).error("misplaced-peer", `Forbidden: \`${name}\` may only stand in egress rules`);
    }
    if (misplaced.length > 0) return BAD;
  }
  const field = onlyField(fields, place.direction === "ingress" ? INGRESS : EGRESS, "peer");
  if (field === BAD) return BAD;
  return decodeField(field, fields.at(field), { path: cursor.path, place });
}

function decodeField(
  field: PeerField,
  cursor: Cursor,
  { path, place }: { path: string; place: PeerPlace },
): ClusterPolicyPeer | typeof BAD {
  switch (field) {
    case "pods": {
      const pods = decodeNamespacedPods(cursor);
      return pods === BAD ? BAD : { kind: "pods", path, ...pods };
    }
    case "networks":
      return decodeNetworks(cursor, { path, place });
    case "domainNames":
      return refuseDomainNames(cursor, place);
    default: {
      const selector = decodeRequiredSelector(cursor);
      if (selector === BAD) return BAD;
      if (field === "nodes") return { kind: "nodes", path, selector };
      return { kind: "pods", path, namespaceSelector: selector };
    }
  }
}

/** One block that cannot be read is left out where that accepts less, and makes the peer unreadable elsewhere. */
function decodeNetworks(
  cursor: Cursor,
  { path, place }: { path: string; place: PeerPlace },
): ClusterPolicyPeer | typeof BAD {
  const networks = decodeAlternatives(cursor, decodeNetwork, MAX_NETWORKS);
  if (networks === undefined) return cursor.required("must have at least one CIDR");
  if (networks === BAD || (!networks.isComplete && place.action !== "Accept")) return BAD;
  return { kind: "networks", path, cidrs: [...new Set(networks.items)] };
}

function decodeNetwork(cursor: Cursor): string | typeof BAD {
  const cidr = cursor.isAbsent ? cursor.required() : decodeCidr(cursor);
  return cidr === BAD ? BAD : formatCidr(cidr);
}

/** Names mean addresses only to who watches DNS. To accept nothing is closed; the API has them in no other rule. */
function refuseDomainNames(cursor: Cursor, { action }: PeerPlace): typeof BAD {
  if (action === "Accept") {
    cursor.warn("domain-names-not-evaluated", "domain names are not evaluated: this peer accepts nothing");
  } else {
    cursor.error(
      "domain-names-not-evaluated",
      "Forbidden: domain names may only stand in rules that accept, and are not evaluated: the rule denies everything",
    );
  }
  return BAD;
}
