/**
 * @module Holds one kernel's table to what is wanted, over raw netlink: 0.1 to 0.3 ms a change however large the table
 * is, where every start of `nft` reads it all.
 */
import { OpError } from "../base/errors.ts";
import { ipFromBytes } from "../base/ip.ts";
import type {
  NftChain,
  NftChange,
  NftHook,
  NftKey,
  NftRule,
  NftSet,
  NftTable,
  NftType,
  NftVerdict,
} from "../nft/table.ts";
import { TABLE_NAME } from "../nft/table.ts";
import { EAGAIN, EINTR, EMSGSIZE, ENOBUFS } from "./constants.ts";
import { errnoName, pause } from "./libc.ts";
import {
  eachAttribute,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  parseAttributes,
} from "./netlink.ts";
import type { Netns } from "./netns.ts";
import type { BackendMaps, DecodedRule } from "./nft-decode.ts";
import { decodeRule, decodeVerdict } from "./nft-decode.ts";
import type { IntervalEdge } from "./nft-decode-set.ts";
import { decodeIntervals, decodeKeyTypes, text } from "./nft-decode-set.ts";
import { encodeBatch, HOOK_NUMBER, nftType, writeGeneric } from "./nft-encode.ts";
import { keyText } from "./nft-fields.ts";
import * as N from "./nft-names.ts";

/** What a node's policy is put into force with. */
export interface NftApplier {
  /**
   * Applies changes as one transaction, now.
   * @throws OpError `nft-refused` (facts: `change`, `index`, `errno`), `nft-busy`
   */
  apply(changes: readonly NftChange[]): void;
}

export interface RuleCounter {
  /** Place of the rule in its chain. */
  readonly rule: number;
  readonly packets: number;
  readonly bytes: number;
  readonly comment: string | undefined;
}

const ATTEMPTS = 5;
const HASH_READS = 20;
/** As many elements as surely come in the first datagram of a dump. */
const ONE_DATAGRAM = 20;

interface SetHeader {
  readonly name: string;
  readonly flags: number;
  readonly type: number;
  readonly count: number | undefined;
}

export class NftDriver implements NftApplier {
  readonly #socket: NetlinkSocket;
  readonly #table: string;

  /** @param ns - whose table it is; may be closed before the driver */
  constructor(ns: Netns, options: { readonly table?: string } = {}) {
    this.#socket = NetlinkSocket.open(ns, NETLINK_NETFILTER);
    this.#table = options.table ?? TABLE_NAME;
  }

  apply(changes: readonly NftChange[]): void {
    if (changes.length === 0) return;
    for (let attempt = 1; ; attempt++) {
      const refusal = this.#attempt(changes);
      if (!refusal) return;
      if (refusal.code === "nft-busy" && attempt < ATTEMPTS) continue;
      throw refusal;
    }
  }

  #attempt(changes: readonly NftChange[]): OpError | undefined {
    const firstSequence = this.#socket.nextSequence();
    const batch = encodeBatch(changes, { table: this.#table, firstSequence });
    for (let used = 1; used < batch.messages; used++) this.#socket.nextSequence();
    this.#socket.reserve(Math.max(1 << 18, batch.bytes.length + 4096));
    const { refusals } = this.#socket.transact(batch.bytes);
    const [first] = refusals;
    if (!first) return undefined;
    const name = errnoName(first.errno);
    if (first.errno === EMSGSIZE || first.errno === ENOBUFS) {
      return new OpError(
        `a change of ${batch.bytes.length} bytes is larger than one netlink message may be (net.core.wmem_max)`,
        { code: "nft-refused", facts: { errno: name, bytes: batch.bytes.length } },
      );
    }
    const busy = first.errno === EINTR || first.errno === EAGAIN;
    const index = batch.changeOf(first.sequence);
    const what = describeChange(changes[index]);
    const words = first.message ? ` (${first.message})` : "";
    return new OpError(`the kernel refused to ${what} in table inet ${this.#table}: ${name}${words}`, {
      code: busy ? "nft-busy" : "nft-refused",
      facts: { errno: name, index, change: changes[index]?.change, what },
    });
  }

  #dump(
    message: number,
    flags: number,
    visit: (attributes: Map<number, Buffer>) => void,
    body?: Body,
  ): boolean {
    const w = new NetlinkWriter(256);
    w.begin(nftType(message), NLM_F_REQUEST | flags, this.#socket.nextSequence());
    writeGeneric(w, N.NFPROTO_INET);
    body?.(w);
    w.end();
    return this.#socket.dump(w.bytes(), `read table inet ${this.#table}`, (answer) => {
      visit(parseAttributes(answer.payload.subarray(4)));
    });
  }

  #generation(): number {
    let id = 0;
    this.#dump(N.NFT_MSG_GETGEN, NLM_F_ACK, (attributes) => {
      id = attributes.get(N.NFTA_GEN_ID)?.readUInt32BE(0) ?? id;
    });
    return id;
  }

  #exists(): boolean {
    try {
      this.#dump(
        N.NFT_MSG_GETTABLE,
        NLM_F_ACK,
        () => undefined,
        (w) => w.string(N.NFTA_TABLE_NAME, this.#table),
      );
      return true;
    } catch (error) {
      if (error instanceof OpError && error.facts["errno"] === "ENOENT") return false;
      throw error;
    }
  }

  /**
   * The table as the kernel has it now, in canonical spelling (see `canonicalTable`); undefined when there is none.
   * @throws OpError `nft-busy` when the table changes faster than it can be read
   */
  read(): NftTable | undefined {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const before = this.#generation();
      if (!this.#exists()) return undefined;
      const table = this.#readOnce();
      if (table && this.#generation() === before) return table;
    }
    throw new OpError(`table inet ${this.#table} keeps changing while it is read`, { code: "nft-busy" });
  }

  #readOnce(): NftTable | undefined {
    const sets = new Map<string, NftSet>();
    const anonymous: string[] = [];
    const known: SetHeader[] = [];
    let consistent = this.#dump(
      N.NFT_MSG_GETSET,
      NLM_F_DUMP,
      (attributes) => {
        if (text(attributes.get(N.NFTA_SET_TABLE)) !== this.#table) return;
        const name = text(attributes.get(N.NFTA_SET_NAME));
        const flags = attributes.get(N.NFTA_SET_FLAGS)?.readUInt32BE(0) ?? 0;
        const type = attributes.get(N.NFTA_SET_KEY_TYPE)?.readUInt32BE(0) ?? 0;
        if ((flags & N.NFT_SET_ANONYMOUS) !== 0) anonymous.push(name);
        else known.push({ name, flags, type, count: attributes.get(N.NFTA_SET_COUNT)?.readUInt32BE(0) });
      },
      (w) => w.string(N.NFTA_SET_TABLE, this.#table),
    );
    for (const header of known) {
      const set = this.#readSet(header);
      if (set) sets.set(header.name, set);
      else consistent = false;
    }
    const backends = new Map(anonymous.map((name) => [name, this.#readBackends(name)] as const));
    const chains = new Map<string, NftChain>();
    const rules = new Map<string, NftRule[]>();
    consistent =
      this.#dump(N.NFT_MSG_GETCHAIN, NLM_F_DUMP, (attributes) => {
        if (text(attributes.get(N.NFTA_CHAIN_TABLE)) !== this.#table) return;
        const chain = decodeChain(attributes);
        const list: NftRule[] = [];
        rules.set(chain.name, list);
        chains.set(chain.name, { ...chain, rules: list });
      }) && consistent;
    consistent =
      this.#rules(undefined, backends, (chain, decoded) => rules.get(chain)?.push(decoded.rule)) &&
      consistent;
    return consistent ? { name: this.#table, sets, chains } : undefined;
  }

  #rules(
    chain: string | undefined,
    backends: BackendMaps,
    visit: (chain: string, decoded: DecodedRule) => void,
  ): boolean {
    return this.#dump(
      N.NFT_MSG_GETRULE,
      NLM_F_DUMP,
      (attributes) => {
        if (text(attributes.get(N.NFTA_RULE_TABLE)) !== this.#table) return;
        visit(text(attributes.get(N.NFTA_RULE_CHAIN)), decodeRule(attributes, backends));
      },
      (w) => {
        w.string(N.NFTA_RULE_TABLE, this.#table);
        if (chain !== undefined) w.string(N.NFTA_RULE_CHAIN, chain);
      },
    );
  }

  #elements(set: string, visit: (element: Map<number, Buffer>) => void): boolean {
    return this.#dump(
      N.NFT_MSG_GETSETELEM,
      NLM_F_DUMP,
      (attributes) => {
        const list = attributes.get(N.NFTA_SET_ELEM_LIST_ELEMENTS);
        if (list) for (const [, element] of eachAttribute(list)) visit(parseAttributes(element));
      },
      (w) => {
        w.string(N.NFTA_SET_ELEM_LIST_TABLE, this.#table);
        w.string(N.NFTA_SET_ELEM_LIST_SET, set);
      },
    );
  }

  #readSet({ name, flags, type, count }: SetHeader): NftSet | undefined {
    const key = decodeKeyTypes(type);
    // A type that we do not use: not our set, and equal to none that we want.
    if (!key)
      return {
        kind: "set",
        name,
        key: ["address4"],
        interval: false,
        elements: new Set(["(not understood)"]),
      };
    if ((flags & N.NFT_SET_INTERVAL) !== 0) {
      const edges: IntervalEdge[] = [];
      const consistent = this.#elements(name, (element) => {
        const ip = ipFromBytes(dataValue(element.get(N.NFTA_SET_ELEM_KEY)) ?? Buffer.alloc(0));
        const end =
          ((element.get(N.NFTA_SET_ELEM_FLAGS)?.readUInt32BE(0) ?? 0) & N.NFT_SET_ELEM_INTERVAL_END) !== 0;
        if (ip) edges.push({ bits: ip.bits, end });
      });
      const keys = decodeIntervals(edges, key[0] === "address6" ? 6 : 4);
      return consistent ? { kind: "set", name, key, interval: true, elements: new Set(keys) } : undefined;
    }
    const elements = this.#hashElements(name, key, count);
    if (!elements) return undefined;
    if ((flags & N.NFT_SET_MAP) === 0) {
      return { kind: "set", name, key, interval: false, elements: new Set(elements.keys()) };
    }
    const verdicts = [...elements].flatMap(([text_, verdict]) =>
      verdict ? [[text_, verdict] as const] : [],
    );
    return { kind: "verdict-map", name, key, elements: new Map(verdicts) };
  }

  /**
   * A hash set that has grown a moment ago is still being moved to a larger table, and a dump of more than one datagram
   * then misses elements without saying so. What it has is right, so dumps are joined until nothing is missing: by the
   * kernel's own count, or where it gives none, until the second dump in a row brings nothing new.
   */
  #hashElements(
    name: string,
    key: readonly [NftType, ...NftType[]],
    count: number | undefined,
  ): ReadonlyMap<NftKey, NftVerdict | undefined> | undefined {
    const elements = new Map<NftKey, NftVerdict | undefined>();
    for (let attempt = 0; attempt < HASH_READS; attempt++) {
      const before = elements.size;
      const consistent = this.#elements(name, (element) => {
        const bytes = dataValue(element.get(N.NFTA_SET_ELEM_KEY));
        if (!bytes) return;
        const data = element.get(N.NFTA_SET_ELEM_DATA);
        const verdict = data && parseAttributes(data).get(N.NFTA_DATA_VERDICT);
        elements.set(keyText(key, bytes), verdict && decodeVerdict(verdict));
      });
      if (!consistent) return undefined;
      if (
        count === undefined
          ? elements.size < ONE_DATAGRAM || elements.size === before
          : elements.size >= count
      ) {
        return elements;
      }
      pause(attempt);
    }
    return undefined;
  }

  #readBackends(name: string): readonly { address: string; port: number }[] {
    const backends: { index: number; address: string; port: number }[] = [];
    this.#elements(name, (element) => {
      const index = dataValue(element.get(N.NFTA_SET_ELEM_KEY))?.readUInt32LE(0);
      const data = dataValue(element.get(N.NFTA_SET_ELEM_DATA));
      if (index === undefined || !data) return;
      const width = data.length > 8 ? 16 : 4;
      const address = keyText([width === 4 ? "address4" : "address6"], data.subarray(0, width));
      backends.push({ index, address, port: data.readUInt16BE(width) });
    });
    backends.sort((a, b) => a.index - b.index);
    return backends.map(({ address, port }) => ({ address, port }));
  }

  /** The counters of one chain's rules. Rules without a counter are left out. */
  readCounters(chain: string): readonly RuleCounter[] {
    const counters: RuleCounter[] = [];
    let place = 0;
    this.#rules(chain, new Map(), (name, { rule, counter }) => {
      if (name !== chain) return;
      if (counter) counters.push({ rule: place, ...counter, comment: rule.comment });
      place++;
    });
    return counters;
  }

  close(): void {
    this.#socket.close();
  }
}

type Body = (w: NetlinkWriter) => void;

function dataValue(bytes: Buffer | undefined): Buffer | undefined {
  return bytes && parseAttributes(bytes).get(N.NFTA_DATA_VALUE);
}

function decodeChain(attributes: ReadonlyMap<number, Buffer>): Omit<NftChain, "rules"> {
  const name = text(attributes.get(N.NFTA_CHAIN_NAME));
  const nested = attributes.get(N.NFTA_CHAIN_HOOK);
  if (!nested) return { name };
  const hook = parseAttributes(nested);
  const number = hook.get(N.NFTA_HOOK_HOOKNUM)?.readUInt32BE(0);
  const names = Object.keys(HOOK_NUMBER) as NftHook["hook"][];
  return {
    name,
    hook: {
      type: text(attributes.get(N.NFTA_CHAIN_TYPE)) === "nat" ? "nat" : "filter",
      hook: names.find((one) => HOOK_NUMBER[one] === number) ?? "forward",
      priority: hook.get(N.NFTA_HOOK_PRIORITY)?.readInt32BE(0) ?? 0,
      policy: attributes.get(N.NFTA_CHAIN_POLICY)?.readUInt32BE(0) === N.NF_DROP ? "drop" : "accept",
    },
  };
}

function describeChange(change: NftChange | undefined): string {
  switch (change?.change) {
    case undefined:
      return "commit the changes";
    case "create-table":
    case "delete-table":
      return `${change.change} ${change.table}`;
    case "create-set":
    case "add-elements":
    case "delete-elements":
      return `${change.change} ${change.set.name}`;
    case "create-chain":
    case "replace-rules":
      return `${change.change} ${change.chain.name}`;
    case "delete-set":
    case "delete-chain":
      return `${change.change} ${change.name}`;
    default:
      return "change";
  }
}
