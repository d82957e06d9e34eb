/**
 * @module One nftables table as data. No text, no kernel: `render.ts` prints it, `interpret.ts` runs it in memory,
 * `linux/nft-encode.ts` turns it into netlink messages. What cannot be written here is never sent to the kernel.
 *
 * The vocabulary is small on purpose: each kind of statement must be understood by the printer, by the interpreter and
 * by the netlink encoder alike, and the compiler checks that none forgets one.
 */

/** Always family `inet`: one table for IPv4 and IPv6. */
export interface NftTable {
  readonly name: string;
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly chains: ReadonlyMap<string, NftChain>;
}

/**
 * What a packet is matched on. Each has one type and width:
 * `*-address4`: 4 bytes, `*-address6`: 16 bytes, `*-port`: 2 bytes (TCP, UDP and SCTP have them at the same place),
 * `protocol`: 1 byte, `family`: nfproto 1 byte (2 = IPv4, 10 = IPv6), `*-interface`: a name of up to 15 bytes.
 * `state`: connection tracking state; `mark`: 4 bytes of packet mark.
 */
export type NftField =
  | "in-interface"
  | "out-interface"
  | "family"
  | "protocol"
  | "source-address4"
  | "destination-address4"
  | "source-address6"
  | "destination-address6"
  | "source-port"
  | "destination-port"
  | "icmp-type"
  | "icmp-code"
  | "icmp6-type"
  | "icmp6-code"
  | "mark";

/** Types of set keys; `interface` is nft's `ifname`, `port` its `inet_service`, `protocol` its `inet_proto`. */
export type NftType = "address4" | "address6" | "port" | "protocol" | "interface";

/**
 * One key as text, its parts joined by `" . "` when the key is a concatenation: `10.0.0.1`, `10.0.0.1 . 80`,
 * `10.0.0.0/8` (interval sets of one address type only), `eth0`. Canonical text: equal keys are equal strings.
 */
export type NftKey = string;

export type NftSet =
  | {
      readonly kind: "set";
      readonly name: string;
      readonly key: readonly [NftType, ...NftType[]];
      /** Interval sets hold CIDRs, which must not overlap. Only for a single address type. */
      readonly interval: boolean;
      readonly elements: ReadonlySet<NftKey>;
    }
  | {
      readonly kind: "verdict-map";
      readonly name: string;
      readonly key: readonly [NftType, ...NftType[]];
      readonly elements: ReadonlyMap<NftKey, NftVerdict>;
    };

export type NftVerdict =
  | { readonly verdict: "accept" }
  | { readonly verdict: "drop" }
  | { readonly verdict: "return" }
  | { readonly verdict: "jump"; readonly chain: string }
  | { readonly verdict: "goto"; readonly chain: string };

export interface NftHook {
  readonly type: "filter" | "nat";
  readonly hook: "prerouting" | "input" | "forward" | "output" | "postrouting";
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface NftChain {
  readonly name: string;
  /** Present on base chains only. */
  readonly hook?: NftHook;
  readonly rules: readonly NftRule[];
}

export interface NftRule {
  readonly statements: readonly NftStatement[];
  /** Where the rule comes from. Kept in the kernel beside the rule (at most 128 bytes, printable, no quote). */
  readonly comment?: string;
}

export type NftStatement =
  /** `field == value`, or `!=`. Numbers for numeric fields, canonical text for addresses and interface names. */
  | {
      readonly kind: "compare";
      readonly field: NftField;
      readonly equal: boolean;
      readonly value: string | number;
    }
  /** `prefix*` on an interface name. */
  | {
      readonly kind: "interface-prefix";
      readonly field: "in-interface" | "out-interface";
      readonly prefix: string;
    }
  /** An inclusive range on a numeric field; `inside: false` matches outside of it. */
  | {
      readonly kind: "range";
      readonly field: "destination-port" | "source-port" | "protocol" | "icmp-type" | "icmp6-type";
      readonly first: number;
      readonly last: number;
      readonly inside: boolean;
    }
  /** An address inside (or outside) one CIDR. */
  | {
      readonly kind: "prefix";
      readonly field: "source-address4" | "destination-address4" | "source-address6" | "destination-address6";
      readonly cidr: string;
      readonly inside: boolean;
    }
  /** Connection tracking state is one of these. */
  | { readonly kind: "ct-state"; readonly states: readonly ("established" | "related" | "new" | "invalid")[] }
  /** The connection's packets were sent to another address by a dnat statement (`ct status dnat`). */
  | { readonly kind: "ct-dnat" }
  /** The fields, concatenated, are (or are not) in a named set. */
  | {
      readonly kind: "lookup";
      readonly fields: readonly NftField[];
      readonly set: string;
      readonly present: boolean;
    }
  /** Look the fields up in a verdict map; no element: the next rule. */
  | { readonly kind: "verdict-map"; readonly fields: readonly NftField[]; readonly map: string }
  /** Bits of the packet's mark: `(mark & mask) == value`. */
  | { readonly kind: "mark-test"; readonly mask: number; readonly value: number }
  /** `mark = (mark & ~mask) | value`. */
  | { readonly kind: "mark-set"; readonly mask: number; readonly value: number }
  | { readonly kind: "counter" }
  /** To the kernel log, at most `perSecond` times a second. */
  | { readonly kind: "log"; readonly prefix: string; readonly perSecond: number }
  /**
   * Answered with ICMP: "administratively prohibited", which no closed port says, or "port unreachable", which is what a
   * closed port of UDP says and TCP clients take for a refusal.
   */
  | { readonly kind: "reject"; readonly saying: "admin-prohibited" | "port-unreachable" }
  | { readonly kind: "notrack" }
  /**
   * Translates the destination to one of the backends, chosen at random with equal weight (`numgen random mod N`), or
   * by the source address, always the same (`jhash … mod N`): a backend that is named more often is chosen more often. Only in a nat chain at prerouting or output. All backends are of one family; ports are always given.
   */
  | {
      readonly kind: "dnat";
      readonly family: 4 | 6;
      /** Chosen at random, when left out. */
      readonly by?: "source";
      readonly backends: readonly { readonly address: string; readonly port: number }[];
    }
  /** Translates the source to the outgoing interface's address. Only in a nat chain at postrouting. */
  | { readonly kind: "masquerade" }
  | { readonly kind: "verdict"; readonly to: NftVerdict };

/**
 * One step of a change to a table. A list of them is applied as one transaction, in order; sets come before the chains
 * that use them and go after.
 */
export type NftChange =
  | { readonly change: "create-table"; readonly table: string }
  | { readonly change: "delete-table"; readonly table: string }
  /** With the elements that the set carries; a verdict map's must go to chains that exist. */
  | { readonly change: "create-set"; readonly set: NftSet }
  | { readonly change: "delete-set"; readonly name: string }
  | { readonly change: "add-elements"; readonly set: NftSet; readonly keys: readonly NftKey[] }
  | { readonly change: "delete-elements"; readonly set: NftSet; readonly keys: readonly NftKey[] }
  /** Without its rules; `replace-rules` follows. */
  | { readonly change: "create-chain"; readonly chain: NftChain }
  /** All rules of the chain go, these come. */
  | { readonly change: "replace-rules"; readonly chain: NftChain }
  | { readonly change: "delete-chain"; readonly name: string };

/** The table's name in every kernel that Tortie manages. Foreign tables are never read or touched. */
export const TABLE_NAME = "tortie";
