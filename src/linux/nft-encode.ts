/**
 * @module Changes to a table as one nfnetlink batch: the kernel's transaction. A packet sees either the table before
 * it or the table after it.
 */
import { invariant, must, unreachable } from "../base/errors.ts";
import { cidrRange, ipBytes, parseCidr, WIDTH } from "../base/ip.ts";
import type { NftChain, NftChange, NftHook, NftKey, NftRule, NftSet, NftType } from "../nft/table.ts";
import { TABLE_NAME } from "../nft/table.ts";
import { NetlinkWriter, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST } from "./netlink.ts";
import type { BackendMap } from "./nft-encode-rule.ts";
import {
  BACKEND_MAP_NAME,
  backendBytes,
  writeRuleBody,
  writeValue,
  writeVerdict,
} from "./nft-encode-rule.ts";
import { keyBytes, keyWidth } from "./nft-fields.ts";
import * as N from "./nft-names.ts";

export const HOOK_NUMBER: Readonly<Record<NftHook["hook"], number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};

/** An attribute's length is 16 bits, so one message takes at most this many bytes of elements. */
const ELEMENTS_BYTES = 60_000;

/** `struct nfgenmsg` */
function generic(family: number, resource = 0): Uint8Array {
  return Uint8Array.of(family, 0, resource >> 8, resource & 255);
}

export function nftType(message: number): number {
  return (N.NFNL_SUBSYS_NFTABLES << 8) | message;
}

export function writeGeneric(w: NetlinkWriter, family: number): void {
  w.raw(generic(family));
}

export function keyTypeNumber(types: readonly NftType[]): number {
  return types.reduce((number, type) => (number << N.NFT_TYPE_BITS) | N.NFT_TYPE_NUMBER[type], 0);
}

interface ElementEntry {
  readonly key: Uint8Array;
  readonly end?: boolean;
  readonly open?: boolean;
}

/** A CIDR is two elements: where it starts, and the address behind its end; the last block of all has no end. */
function intervalEntries(type: NftType, keys: readonly NftKey[]): ElementEntry[] {
  const family = type === "address6" ? 6 : 4;
  const blocks = keys.map(
    (key) => must(parseCidr(key.includes("/") ? key : `${key}/${WIDTH[family]}`), key).cidr,
  );
  // In address order, as the kernel's overlap check expects neighbours to come.
  blocks.sort((a, b) => (a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0));
  const limit = (1n << BigInt(WIDTH[family])) - 1n;
  return blocks.flatMap((block): ElementEntry[] => {
    const { first, last } = cidrRange(block);
    const start = ipBytes({ family, bits: first });
    if (last === limit) return [{ key: start, open: true }];
    return [{ key: start }, { key: ipBytes({ family, bits: last + 1n }), end: true }];
  });
}

class BatchWriter {
  readonly w: NetlinkWriter = new NetlinkWriter(1 << 16);
  readonly #table: string;
  /** For each message, the change that it belongs to. */
  readonly owners: number[] = [];
  #owner = -1;
  #setId = 0;
  #sequence: number;

  constructor(table: string, firstSequence: number) {
    this.#table = table;
    this.#sequence = firstSequence;
  }

  #begin(message: number, flags = 0): NetlinkWriter {
    this.w.begin(nftType(message), NLM_F_REQUEST | flags, this.#sequence++);
    this.w.raw(generic(N.NFPROTO_INET));
    this.owners.push(this.#owner);
    return this.w;
  }

  control(type: number, flags: number): void {
    this.w.begin(type, NLM_F_REQUEST | flags, this.#sequence++);
    this.w.raw(generic(N.NFPROTO_UNSPEC, N.NFNL_SUBSYS_NFTABLES));
    this.w.end();
    this.owners.push(-1);
  }

  #table_(message: number, flags: number, name: string): void {
    const w = this.#begin(message, flags);
    w.string(N.NFTA_TABLE_NAME, name);
    w.end();
  }

  #createSet(set: NftSet): void {
    const w = this.#begin(N.NFT_MSG_NEWSET, NLM_F_CREATE);
    w.string(N.NFTA_SET_TABLE, this.#table);
    w.string(N.NFTA_SET_NAME, set.name);
    const interval = set.kind === "set" && set.interval;
    const flags = (interval ? N.NFT_SET_INTERVAL : 0) | (set.kind === "verdict-map" ? N.NFT_SET_MAP : 0);
    w.be32(N.NFTA_SET_FLAGS, flags);
    w.be32(N.NFTA_SET_KEY_TYPE, keyTypeNumber(set.key));
    w.be32(N.NFTA_SET_KEY_LEN, keyWidth(set.key));
    if (set.kind === "verdict-map") w.be32(N.NFTA_SET_DATA_TYPE, N.NFT_DATA_VERDICT);
    w.be32(N.NFTA_SET_ID, ++this.#setId);
    this.#byteOrder(set.key[0] === "interface" ? N.BYTEORDER_HOST_ENDIAN : N.BYTEORDER_BIG_ENDIAN);
    w.end();
    if (interval) {
      // nft marks the space before the first block as outside; kept, so that nft reads the set as its own.
      const nothing = { key: new Uint8Array(keyWidth(set.key)), end: true };
      this.#elementMessages(N.NFT_MSG_NEWSETELEM, { name: set.name }, [nothing], () => undefined);
    }
    this.#elements(N.NFT_MSG_NEWSETELEM, set, [...set.elements.keys()]);
  }

  /** For nft alone: without it, it prints interface names as empty and numbers with their bytes turned round. */
  #byteOrder(order: number): void {
    this.w.attribute(N.NFTA_SET_USERDATA, Uint8Array.of(N.NFTNL_UDATA_SET_KEYBYTEORDER, 4, order, 0, 0, 0));
  }

  #elements(message: number, set: NftSet, keys: readonly NftKey[]): void {
    if (keys.length === 0) return;
    if (set.kind === "verdict-map") {
      this.#elementMessages(
        message,
        { name: set.name },
        keys.map((key) => ({ key: keyBytes(set.key, key) })),
        (index) => {
          if (message === N.NFT_MSG_DELSETELEM) return;
          const verdict = must(
            set.elements.get(must(keys[index], "a key")),
            "the verdict of an element to add",
          );
          writeVerdict(this.w, N.NFTA_SET_ELEM_DATA, verdict);
        },
      );
      return;
    }
    if (set.interval) invariant(set.key.length === 1, "an interval set has a single address for its key");
    const entries = set.interval
      ? intervalEntries(set.key[0], keys)
      : keys.map((key) => ({ key: keyBytes(set.key, key) }));
    this.#elementMessages(message, { name: set.name }, entries, () => undefined);
  }

  #elementMessages(
    message: number,
    set: { readonly name: string; readonly id?: number },
    entries: readonly ElementEntry[],
    data: (index: number) => void,
  ): void {
    for (let index = 0; index < entries.length; ) {
      const w = this.#begin(message, message === N.NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
      w.string(N.NFTA_SET_ELEM_LIST_TABLE, this.#table);
      w.string(N.NFTA_SET_ELEM_LIST_SET, set.name);
      if (set.id !== undefined) w.be32(N.NFTA_SET_ELEM_LIST_SET_ID, set.id);
      const list = w.open(N.NFTA_SET_ELEM_LIST_ELEMENTS);
      const start = w.length;
      for (; index < entries.length && w.length - start < ELEMENTS_BYTES; index++) {
        const entry = must(entries[index], "an element");
        const element = w.open(N.NFTA_LIST_ELEM);
        writeValue(w, N.NFTA_SET_ELEM_KEY, entry.key);
        if (entry.end) w.be32(N.NFTA_SET_ELEM_FLAGS, N.NFT_SET_ELEM_INTERVAL_END);
        if (entry.open && message === N.NFT_MSG_NEWSETELEM) {
          w.attribute(
            N.NFTA_SET_ELEM_USERDATA,
            Uint8Array.of(N.NFTNL_UDATA_SET_ELEM_FLAGS, 4, N.SET_ELEM_F_INTERVAL_OPEN, 0, 0, 0),
          );
        }
        data(index);
        w.close(element);
      }
      w.close(list);
      w.end();
    }
  }

  #backendMap(map: BackendMap): void {
    const types: readonly NftType[] = [map.family === 4 ? "address4" : "address6", "port"];
    const w = this.#begin(N.NFT_MSG_NEWSET, NLM_F_CREATE);
    w.string(N.NFTA_SET_TABLE, this.#table);
    w.string(N.NFTA_SET_NAME, BACKEND_MAP_NAME);
    w.be32(N.NFTA_SET_FLAGS, N.NFT_SET_ANONYMOUS | N.NFT_SET_CONSTANT | N.NFT_SET_MAP);
    w.be32(N.NFTA_SET_KEY_TYPE, N.NFT_TYPE_NUMBER.integer);
    w.be32(N.NFTA_SET_KEY_LEN, 4);
    w.be32(N.NFTA_SET_DATA_TYPE, keyTypeNumber(types));
    w.be32(N.NFTA_SET_DATA_LEN, keyWidth(types));
    const description = w.open(N.NFTA_SET_DESC);
    w.be32(N.NFTA_SET_DESC_SIZE, map.backends.length);
    w.close(description);
    w.be32(N.NFTA_SET_ID, map.id);
    this.#byteOrder(N.BYTEORDER_HOST_ENDIAN);
    w.end();
    const entries = map.backends.map((_, index) => {
      const key = Buffer.alloc(4);
      key.writeUInt32LE(index);
      return { key };
    });
    this.#elementMessages(N.NFT_MSG_NEWSETELEM, { name: BACKEND_MAP_NAME, id: map.id }, entries, (index) => {
      const backend = must(map.backends[index], "a backend");
      writeValue(this.w, N.NFTA_SET_ELEM_DATA, backendBytes(map.family, backend));
    });
  }

  #chain(message: number, chain: NftChain): void {
    const w = this.#begin(message, NLM_F_CREATE);
    w.string(N.NFTA_CHAIN_TABLE, this.#table);
    w.string(N.NFTA_CHAIN_NAME, chain.name);
    if (chain.hook) {
      const hook = w.open(N.NFTA_CHAIN_HOOK);
      w.be32(N.NFTA_HOOK_HOOKNUM, HOOK_NUMBER[chain.hook.hook]);
      w.be32(N.NFTA_HOOK_PRIORITY, chain.hook.priority);
      w.close(hook);
      w.be32(N.NFTA_CHAIN_POLICY, chain.hook.policy === "accept" ? N.NF_ACCEPT : N.NF_DROP);
      w.string(N.NFTA_CHAIN_TYPE, chain.hook.type);
    }
    w.end();
  }

  #rule(chain: string, rule: NftRule): void {
    const ids: number[] = [];
    for (const statement of rule.statements) {
      if (statement.kind !== "dnat" || statement.backends.length < 2) continue;
      const id = ++this.#setId;
      ids.push(id);
      this.#backendMap({ id, family: statement.family, backends: statement.backends });
    }
    const w = this.#begin(N.NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    w.string(N.NFTA_RULE_TABLE, this.#table);
    w.string(N.NFTA_RULE_CHAIN, chain);
    writeRuleBody(w, rule, ids.values());
    w.end();
  }

  change(change: NftChange, index: number): void {
    this.#owner = index;
    switch (change.change) {
      case "create-table":
        this.#table_(N.NFT_MSG_NEWTABLE, NLM_F_CREATE, change.table);
        return;
      case "delete-table":
        this.#table_(N.NFT_MSG_DELTABLE, 0, change.table);
        return;
      case "create-set":
        this.#createSet(change.set);
        return;
      case "delete-set": {
        const w = this.#begin(N.NFT_MSG_DELSET);
        w.string(N.NFTA_SET_TABLE, this.#table);
        w.string(N.NFTA_SET_NAME, change.name);
        w.end();
        return;
      }
      case "add-elements":
        this.#elements(N.NFT_MSG_NEWSETELEM, change.set, change.keys);
        return;
      case "delete-elements":
        this.#elements(N.NFT_MSG_DELSETELEM, change.set, change.keys);
        return;
      case "create-chain":
        this.#chain(N.NFT_MSG_NEWCHAIN, change.chain);
        return;
      case "replace-rules": {
        // Without a handle: all rules of the chain.
        const w = this.#begin(N.NFT_MSG_DELRULE);
        w.string(N.NFTA_RULE_TABLE, this.#table);
        w.string(N.NFTA_RULE_CHAIN, change.chain.name);
        w.end();
        for (const rule of change.chain.rules) this.#rule(change.chain.name, rule);
        return;
      }
      case "delete-chain": {
        const w = this.#begin(N.NFT_MSG_DELCHAIN);
        w.string(N.NFTA_CHAIN_TABLE, this.#table);
        w.string(N.NFTA_CHAIN_NAME, change.name);
        w.end();
        return;
      }
      default:
        unreachable(change);
    }
  }
}

export interface EncodedBatch {
  readonly bytes: Buffer;
  readonly messages: number;
  /** The index of the change that a message belongs to; -1 for the batch as a whole. */
  readonly changeOf: (sequence: number) => number;
}

/**
 * Encodes changes, in order, as one transaction on table `inet NAME`.
 *
 * A set is created with its elements. The batch's end asks for no acknowledgement: a batch that is refused says so,
 * and one that says nothing has been committed when the send returns.
 *
 * @throws BugError when a value cannot be what its field says
 */
export function encodeBatch(
  changes: readonly NftChange[],
  options: { readonly table?: string; readonly firstSequence?: number } = {},
): EncodedBatch {
  const firstSequence = options.firstSequence ?? 1;
  const batch = new BatchWriter(options.table ?? TABLE_NAME, firstSequence);
  batch.control(N.NFNL_MSG_BATCH_BEGIN, 0);
  for (const [index, change] of changes.entries()) batch.change(change, index);
  batch.control(N.NFNL_MSG_BATCH_END, 0);
  return {
    bytes: batch.w.bytes(),
    messages: batch.owners.length,
    changeOf: (sequence) => batch.owners[sequence - firstSequence] ?? -1,
  };
}
