/**
 * @module MongoDB, as far as drivers and `mongo` go that only want to know whether they reach it: hello, ping,
 * buildInfo, and empty results.
 * @see https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import type { Socket } from "node:net";
import type { Served } from "./context.ts";
import { ProtocolError, serveMessages } from "./messages.ts";

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
/** What we say that we take, as real servers do, and what we take. */
const MAX_MESSAGE = 48_000_000;
const MOST_MESSAGE_BYTES = 1024 * 1024;

export type BsonValue =
  | string
  | number
  | boolean
  | Date
  | readonly string[]
  | { readonly [name: string]: BsonValue };
export interface Bson {
  readonly [name: string]: BsonValue;
}

function element(type: number, name: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type]), Buffer.from(`${name}\0`), value]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function integer(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function encodeValue(name: string, value: BsonValue): Buffer {
  if (typeof value === "string") {
    const text = Buffer.from(`${value}\0`);
    return element(2, name, Buffer.concat([integer(text.length), text]));
  }
  if (typeof value === "boolean") return element(8, name, Buffer.from([value ? 1 : 0]));
  if (typeof value === "number")
    return Number.isInteger(value) && Math.abs(value) < 2 ** 31
      ? element(16, name, integer(value))
      : element(1, name, number(value));
  if (value instanceof Date) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(value.getTime()));
    return element(9, name, bytes);
  }
  if (Array.isArray(value)) {
    const items: readonly string[] = value;
    return element(
      4,
      name,
      encodeBson(Object.fromEntries(items.map((item, index) => [String(index), item]))),
    );
  }
  return element(3, name, encodeBson(value as Bson));
}

/** @see https://bsonspec.org/spec.html */
export function encodeBson(document: Bson): Buffer {
  const parts = Object.entries(document).map(([name, value]) => encodeValue(name, value));
  const body = Buffer.concat([...parts, Buffer.from([0])]);
  return Buffer.concat([integer(body.length + 4), body]);
}

/** The name of the first element, which in a command is the command; empty where there is none. */
export function firstName(document: Buffer): string {
  const end = document.indexOf(0, 5);
  return document.length > 5 && end > 0 ? document.subarray(5, end).toString() : "";
}

function versionOf({ context }: Served): string {
  return /^\d+(\.\d+)+/.exec(context.tag ?? "")?.[0] ?? "7.0.15";
}

function reply(command: string, served: Served): Bson {
  switch (command.toLowerCase()) {
    case "hello":
    case "ismaster":
      return {
        ismaster: true,
        isWritablePrimary: true,
        maxBsonObjectSize: 16_777_216,
        maxMessageSizeBytes: MAX_MESSAGE,
        maxWriteBatchSize: 100_000,
        localTime: new Date(),
        logicalSessionTimeoutMinutes: 30,
        connectionId: 1,
        minWireVersion: 0,
        maxWireVersion: 21,
        readOnly: false,
        ok: 1.0,
      };
    case "buildinfo":
      return { version: versionOf(served), gitVersion: "", maxBsonObjectSize: 16_777_216, ok: 1 };
    case "find":
    case "aggregate":
    case "listcollections":
    case "listindexes":
      return { cursor: { id: 0, ns: "test.$cmd", firstBatch: [] }, ok: 1 };
    case "listdatabases":
      return { databases: [], totalSize: 0, ok: 1 };
    default:
      return { ok: 1 };
  }
}

/** The answer to one whole message; undefined where none is due. */
export function mongoAnswer(message: Buffer, served: Served): Buffer | undefined {
  const request = message.readInt32LE(4);
  const operation = message.readInt32LE(12);
  const header = (length: number, code: number): Buffer =>
    Buffer.concat([integer(length + 16), integer(request + 1), integer(request), integer(code)]);
  if (operation === OP_MSG) {
    const document = encodeBson(reply(firstName(message.subarray(21)), served));
    const body = Buffer.concat([integer(0), Buffer.from([0]), document]);
    return Buffer.concat([header(body.length, OP_MSG), body]);
  }
  if (operation !== OP_QUERY) return undefined;
  // Flags, the collection's name, skip, limit; then the query.
  const start = message.indexOf(0, 20) + 1 + 8;
  const document = encodeBson(reply(firstName(message.subarray(start)), served));
  const body = Buffer.concat([integer(8), integer(0), integer(0), integer(0), integer(1), document]);
  return Buffer.concat([header(body.length, OP_REPLY), body]);
}

export function serveMongo(socket: Socket, served: Served): void {
  serveMessages(socket, MOST_MESSAGE_BYTES, (bytes) => {
    if (bytes.length < 16) return undefined;
    const length = bytes.readInt32LE(0);
    if (length < 21 || length > MOST_MESSAGE_BYTES) throw new ProtocolError(`invalid length ${length}`);
    if (bytes.length < length) return undefined;
    return { bytes: length, answer: mongoAnswer(bytes.subarray(0, length), served) };
  });
}
