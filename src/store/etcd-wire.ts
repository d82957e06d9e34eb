/** @module What etcd's JSON gateway says and is told, and what it means to a store. Pure. */
import type { Entry, Revision, StoreEvent } from "./store.ts";

/** As the gateway writes it: bytes in base64, 64-bit numbers as text, what is zero left out. */
export interface KeyValue {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: string;
  readonly mod_revision: string;
}

export interface Header {
  readonly revision: string;
}

export interface RangeAnswer {
  readonly header: Header;
  readonly kvs?: readonly KeyValue[];
  readonly count?: string;
}

export interface TxnAnswer {
  readonly header: Header;
  readonly succeeded?: boolean;
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly KeyValue[] } }[];
}

export interface EtcdEvent {
  readonly type?: string;
  readonly kv: KeyValue;
  readonly prev_kv?: KeyValue;
}

export interface WatchAnswer {
  readonly result?: {
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    readonly compact_revision?: string;
    readonly events?: readonly EtcdEvent[];
  };
  readonly error?: { readonly message?: string };
}

export interface Failure {
  readonly error?: string;
  readonly message?: string;
  readonly code?: number;
}

export const base64 = (text: string | Buffer): string => Buffer.from(text).toString("base64");

export function revisionOf(event: StoreEvent): Revision {
  return event.type === "put" ? event.entry.modified : event.revision;
}

export function keyOf(event: StoreEvent): string {
  return event.type === "put" ? event.entry.key : event.key;
}

/** The end of the range of keys that begin with this. UTF-8 has no byte 0xff, so the last one can be counted up. */
function endOf(prefix: string): Buffer {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes;
}

/** A store's keys begin with its own prefix in etcd. */
export class Keys {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  encode(key: string): string {
    return base64(this.prefix + key);
  }

  /** All keys that begin with this. */
  range(prefix: string): { readonly key: string; readonly range_end: string } {
    return { key: this.encode(prefix), range_end: base64(endOf(this.prefix + prefix)) };
  }

  #decode({ key }: KeyValue): string {
    return Buffer.from(key, "base64").toString().slice(this.prefix.length);
  }

  entry(kv: KeyValue): Entry {
    return {
      key: this.#decode(kv),
      value: Buffer.from(kv.value ?? "", "base64").toString(),
      created: Number(kv.create_revision),
      modified: Number(kv.mod_revision),
    };
  }

  event({ type, kv, prev_kv: prior }: EtcdEvent): StoreEvent {
    const revision = Number(kv.mod_revision);
    const before = prior && this.entry(prior);
    if (type !== "DELETE") return { type: "put", entry: this.entry(kv), ...(before && { before }) };
    const key = this.#decode(kv);
    return { type: "delete", key, revision, before: before ?? unknownEntry(key, revision) };
  }
}

/** Its last value is compacted by now; what it was is told as far as the key says it: whose name it had, and where. */
function unknownEntry(key: string, revision: Revision): Entry {
  const [name = "", namespace] = key.split("/").slice(4).reverse();
  const metadata = { name, ...(namespace !== undefined && { namespace }) };
  return { key, value: JSON.stringify({ metadata }), created: revision, modified: revision };
}
