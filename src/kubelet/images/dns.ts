/** @module Names as a pod sees them: its hosts file, then the servers of its resolv.conf. */

export interface Resolver {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly ndots: number;
}

export function parseResolvConf(text: string): Resolver {
  const servers: string[] = [];
  let search: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split("\n")) {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0] !== undefined) servers.push(rest[0]);
    if (word === "search" || word === "domain") search = rest;
    if (word !== "options") continue;
    for (const option of rest) {
      const found = /^ndots:(\d+)$/.exec(option);
      if (found) ndots = Number(found[1]);
    }
  }
  return { servers, search, ndots };
}

/** Addresses of a name in /etc/hosts. */
export function hostsEntry(text: string, name: string): string | undefined {
  for (const line of text.split("\n")) {
    const [address, ...names] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    if (address && names.includes(name)) return address;
  }
  return undefined;
}

/** The names to ask for, in the order of resolv.conf(5). */
export function searchNames(name: string, resolver: Resolver): readonly string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const searched = resolver.search.map((suffix) => `${name}.${suffix.replace(/\.$/, "")}`);
  const dots = name.split(".").length - 1;
  return dots >= resolver.ndots ? [name, ...searched] : [...searched, name];
}

export const RECORD_TYPES = { A: 1, NS: 2, CNAME: 5, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 } as const;
export type RecordType = keyof typeof RECORD_TYPES;

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly data: string;
}

export interface DnsAnswer {
  /** 0 no error, 2 server failure, 3 no such name. */
  readonly code: number;
  readonly authoritative: boolean;
  readonly records: readonly DnsRecord[];
}

/** A question with recursion desired (RFC 1035 §4.1). */
export function dnsQuery(id: number, name: string, type: RecordType): Buffer {
  const header = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const labels = name
    .replace(/\.$/, "")
    .split(".")
    .map((label) =>
      Buffer.concat([
        Buffer.from([Math.min(Buffer.byteLength(label), 63)]),
        Buffer.from(label).subarray(0, 63),
      ]),
    );
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, RECORD_TYPES[type], 0, 1])]);
}

function readName(bytes: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  // A pointer leads back; a loop of them is cut off.
  for (let steps = 0; steps < 128; steps++) {
    const length = bytes[at] ?? 0;
    if (length === 0) return { name: labels.join("."), end: end ?? at + 1 };
    if (length >= 0xc0) {
      end ??= at + 2;
      at = ((length & 63) << 8) | (bytes[at + 1] ?? 0);
      continue;
    }
    labels.push(bytes.subarray(at + 1, at + 1 + length).toString("latin1"));
    at += length + 1;
  }
  return { name: labels.join("."), end: end ?? at };
}

function readData(bytes: Buffer, at: number, length: number, type: number): string {
  const raw = bytes.subarray(at, at + length);
  switch (type) {
    case RECORD_TYPES.A:
      return raw.join(".");
    case RECORD_TYPES.AAAA: {
      const groups = Array.from({ length: 8 }, (_, index) => raw.readUInt16BE(index * 2).toString(16));
      return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
    }
    case RECORD_TYPES.SRV:
      return `${raw.readUInt16BE(0)} ${raw.readUInt16BE(2)} ${raw.readUInt16BE(4)} ${readName(bytes, at + 6).name}`;
    case RECORD_TYPES.TXT:
      return raw.subarray(1).toString();
    default:
      return readName(bytes, at).name;
  }
}

/** @returns undefined for what is no answer to the question `id` */
export function parseDnsAnswer(bytes: Buffer, id: number): DnsAnswer | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id || ((bytes[2] ?? 0) & 0x80) === 0) return undefined;
  try {
    let at = 12;
    for (let count = bytes.readUInt16BE(4); count > 0; count--) at = readName(bytes, at).end + 4;
    const records: DnsRecord[] = [];
    for (let count = bytes.readUInt16BE(6); count > 0; count--) {
      const { name, end } = readName(bytes, at);
      const type = bytes.readUInt16BE(end);
      const length = bytes.readUInt16BE(end + 8);
      records.push({ name, type, data: readData(bytes, end + 10, length, type) });
      at = end + 10 + length;
    }
    return { code: (bytes[3] ?? 0) & 15, authoritative: ((bytes[2] ?? 0) & 4) !== 0, records };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
