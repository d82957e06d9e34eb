/** @module Messages that JSON writes otherwise than as an object of their fields. */
import { ProtobufError } from "./protobuf-error.ts";
import type { Special } from "./table.ts";
import { readFields } from "./wire.ts";

/** @returns undefined for what JSON would write as null: a time that was never set, an object without content */
export function decodeSpecial(special: Special, bytes: Buffer): unknown {
  switch (special) {
    case "Time":
    case "MicroTime":
      return time(bytes, special);
    case "Quantity":
      return texts(bytes)[0] || "0";
    case "IntOrString":
      return intOrString(bytes);
    case "Raw":
    case "FieldsV1":
      return json(texts(bytes)[0] ?? "");
    case "Strings":
      return texts(bytes);
  }
}

/** The texts in field 1. */
function texts(bytes: Buffer): string[] {
  const found: string[] = [];
  readFields(bytes, (field, value) => {
    if (field === 1 && value.kind === "bytes") found.push(value.bytes.toString("utf8"));
  });
  return found;
}

function json(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ProtobufError("proto: an embedded object is no JSON", { cause });
  }
}

function intOrString(bytes: Buffer): number | string {
  const parts = { kind: 0, int: 0, text: "" };
  readFields(bytes, (field, value) => {
    if (field === 1 && value.kind === "varint") parts.kind = value.value;
    if (field === 2 && value.kind === "varint") parts.int = value.value;
    if (field === 3 && value.kind === "bytes") parts.text = value.bytes.toString("utf8");
  });
  return parts.kind === 1 ? parts.text : parts.int;
}

function time(bytes: Buffer, precision: "Time" | "MicroTime"): string | undefined {
  if (bytes.length === 0) return undefined;
  let seconds = 0;
  let nanos = 0;
  readFields(bytes, (field, value) => {
    if (field === 1 && value.kind === "varint") seconds = value.value;
    if (field === 2 && value.kind === "varint") nanos = value.value;
  });
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new ProtobufError(`proto: ${seconds} seconds are no time`);
  const text = date.toISOString().slice(0, -".000Z".length);
  if (precision === "Time") return `${text}Z`;
  return `${text}.${String(Math.floor(nanos / 1000)).padStart(6, "0")}Z`;
}
