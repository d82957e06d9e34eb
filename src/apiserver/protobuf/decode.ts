/**
 * @module Request bodies of the type `application/vnd.kubernetes.protobuf`, as objects like those that JSON gives.
 *
 * A body is a magic number, and an envelope that names the kind and holds the message of that kind. kubectl sends such
 * bodies from 1.32 on for objects that it makes itself.
 */
import { must } from "../../base/errors.ts";
import { setOwn } from "../../base/own.ts";
import type { JsonObject } from "../patch/json-value.ts";
import { ACCESS } from "./messages/access.ts";
import { CORE_OBJECTS } from "./messages/core-objects.ts";
import { CORE_PODS } from "./messages/core-pods.ts";
import { CORE_VOLUMES } from "./messages/core-volumes.ts";
import { META } from "./messages/meta.ts";
import { OTHERS } from "./messages/others.ts";
import { WORKLOADS } from "./messages/workloads.ts";
import { ProtobufError } from "./protobuf-error.ts";
import { decodeSpecial } from "./special.ts";
import { type Field, type Message, parseTables } from "./table.ts";
import { readFields, readPacked, type WireValue } from "./wire.ts";

export { ProtobufError } from "./protobuf-error.ts";

export type DecodedObject = JsonObject & { readonly apiVersion: string; readonly kind: string };

const MAGIC = Buffer.from("k8s\0", "latin1");

/** No real object nests deeper; a hostile one must not take the stack. */
const DEEPEST = 100;

let tables: ReadonlyMap<string, Message> | undefined;

/** The messages of all groups, read from their tables when the first body comes. */
function messages(): ReadonlyMap<string, Message> {
  tables ??= parseTables([META, CORE_PODS, CORE_VOLUMES, CORE_OBJECTS, WORKLOADS, ACCESS, OTHERS]);
  return tables;
}

/**
 * Decodes a body. What JSON would leave out is left out: zeros of fields that Go does not point to.
 *
 * @returns an object of the kind that the envelope names; it shares no memory with the bytes
 * @throws ProtobufError when it is no such body, or of a kind that has no table
 */
export function decodeProtobuf(body: Uint8Array): DecodedObject {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new ProtobufError(
      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    );
  }
  const envelope = decodeEnvelope(bytes.subarray(MAGIC.length));
  const { apiVersion, kind } = envelope;
  const result: Record<string, unknown> = { apiVersion, kind };
  decodeMessage(envelope.raw, { message: messageOf(apiVersion, kind), into: result, depth: 0 });
  return result as DecodedObject;
}

interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Buffer;
}

function decodeEnvelope(bytes: Buffer): Envelope {
  const envelope: Envelope = { apiVersion: "", kind: "", raw: Buffer.alloc(0) };
  readFields(bytes, (field, value) => {
    if (value.kind !== "bytes") return;
    if (field === 2) envelope.raw = value.bytes;
    if (field !== 1) return;
    readFields(value.bytes, (part, text) => {
      if (text.kind !== "bytes") return;
      if (part === 1) envelope.apiVersion = text.bytes.toString("utf8");
      if (part === 2) envelope.kind = text.bytes.toString("utf8");
    });
  });
  return envelope;
}

/** The message of a kind. Options and statuses are sent under the name of any group. */
function messageOf(apiVersion: string, kind: string): Message {
  const parts = apiVersion.split("/");
  const group = parts.length === 1 ? "core" : (parts[0]?.split(".")[0] ?? "");
  const table = group === "autoscaling" && parts[1] === "v2" ? "autoscaling2" : group;
  const found = messages().get(`${table}.${kind}`) ?? messages().get(`meta.${kind}`);
  if (!found || !/^v[12]$/.test(parts.at(-1) ?? "")) {
    throw new ProtobufError(`no kind "${kind}" is registered for version "${apiVersion}" in protobuf`);
  }
  return found;
}

interface Target {
  readonly message: Message;
  readonly into: Record<string, unknown>;
  readonly depth: number;
}

function decodeMessage(bytes: Buffer, target: Target): void {
  if (target.depth > DEEPEST) throw new ProtobufError("proto: message is nested too deeply");
  readFields(bytes, (number, value) => {
    const field = target.message.get(number);
    if (field) decodeField(field, value, target);
  });
}

function decodeField(field: Field, value: WireValue, target: Target): void {
  const { into, depth } = target;
  if (field.name === undefined) {
    decodeMessage(bytesOf(value), { message: messageOfField(field), into, depth: depth + 1 });
    return;
  }
  const { name } = field;
  switch (field.many) {
    case "list": {
      into[name] ??= [];
      const items = into[name] as unknown[];
      if (value.kind === "bytes" && field.type.kind === "scalar" && isVarint(field)) {
        items.push(...readPacked(value.bytes).map((item) => scalar(field, { kind: "varint", value: item })));
      } else items.push(decodeValue(field, value, { depth, current: undefined }));
      return;
    }
    case "map": {
      into[name] ??= {};
      const entries = into[name] as Record<string, unknown>;
      const entry = decodeMapEntry(field, bytesOf(value), depth);
      setOwn(entries, entry.key, entry.value);
      return;
    }
    case "one": {
      // A message that comes in pieces is one message.
      const decoded = decodeValue(field, value, { depth, current: into[name] });
      if (decoded === undefined || (field.zero === "dropped" && isZero(decoded))) delete into[name];
      else into[name] = decoded;
    }
  }
}

function decodeMapEntry(field: Field, bytes: Buffer, depth: number): { key: string; value: unknown } {
  let key = "";
  let value: unknown;
  readFields(bytes, (number, part) => {
    if (number === 1) key = textOf(bytesOf(part));
    if (number === 2) value = decodeValue(field, part, { depth, current: undefined });
  });
  return { key, value: value ?? decodeValue(field, EMPTY, { depth, current: undefined }) };
}

const EMPTY: WireValue = { kind: "bytes", bytes: Buffer.alloc(0) };

function decodeValue(
  field: Field,
  value: WireValue,
  at: { readonly depth: number; readonly current: unknown },
): unknown {
  switch (field.type.kind) {
    case "scalar":
      return scalar(field, value);
    case "special":
      return decodeSpecial(field.type.special, bytesOf(value));
    case "message": {
      const into = (at.current ?? {}) as Record<string, unknown>;
      decodeMessage(bytesOf(value), { message: messageOfField(field), into, depth: at.depth + 1 });
      return into;
    }
  }
}

function messageOfField({ type }: Field): Message {
  const name = type.kind === "message" ? type.message : "";
  return must(messages().get(name), `message ${name}`);
}

function isVarint({ type }: Field): boolean {
  return type.kind === "scalar" && (type.scalar === "int" || type.scalar === "bool");
}

function scalar({ type }: Field, value: WireValue): unknown {
  const kind = type.kind === "scalar" ? type.scalar : "bytes";
  if (kind === "string") return textOf(bytesOf(value));
  if (kind === "bytes") return bytesOf(value).toString("base64");
  if (value.kind !== "varint")
    throw new ProtobufError(`proto: wrong wireType = 2 for a field of type ${kind}`);
  return kind === "bool" ? value.value !== 0 : value.value;
}

function bytesOf(value: WireValue): Buffer {
  if (value.kind === "bytes") return value.bytes;
  throw new ProtobufError("proto: wrong wireType = 0 for a field of bytes");
}

function textOf(bytes: Buffer): string {
  return bytes.toString("utf8");
}

function isZero(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === "" || value === 0 || value === false;
}
