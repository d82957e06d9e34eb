/**
 * @module The tables of messages: their text, and what it means.
 *
 * A table has one message in each entry, `Name = number name type, …`. A type is a scalar (`string`, `int`, `bool`, `bytes`),
 * a special message (`Time`, `Quantity`, …) or another message, of its own group or `group.Name`. Behind it stands
 *
 *     []  a list              {}  a map with strings as keys
 *     ?   a pointer in Go: what was sent counts, also when it is zero or empty
 *     !   never left out of JSON, also when it is zero or empty
 *
 * and without `?` and `!` a zero says as much as nothing. `...` in place of a name puts the fields of the message into this one.
 */
import { must } from "../../base/errors.ts";

export type Scalar = "string" | "int" | "bool" | "bytes";

/** Messages which JSON writes otherwise than as an object of their fields. */
export type Special =
  | "Time"
  | "MicroTime"
  | "Quantity"
  | "IntOrString"
  /** An object of any kind, as JSON. */
  | "Raw"
  | "FieldsV1"
  /** A list of strings that is a message of its own. */
  | "Strings";

export type FieldType =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "special"; readonly special: Special }
  | { readonly kind: "message"; readonly message: string };

export interface Field {
  /** As in JSON; undefined: the fields of the message stand in this one. */
  readonly name: string | undefined;
  readonly type: FieldType;
  readonly many: "one" | "list" | "map";
  /** Whether a zero is written. */
  readonly zero: "kept" | "dropped";
}

export type Message = ReadonlyMap<number, Field>;

const SCALARS: readonly string[] = ["string", "int", "bool", "bytes"] satisfies Scalar[];
const SPECIALS: readonly string[] = [
  "Time",
  "MicroTime",
  "Quantity",
  "IntOrString",
  "Raw",
  "FieldsV1",
  "Strings",
] satisfies Special[];

const FIELD = /^(\d+) (?:\.\.\.|(\w+) )([\w.]+?)(\[\]|\{\})?([?!])?$/;

/** @returns the messages by `group.Name` */
export function parseTables(
  tables: readonly Readonly<Record<string, string>>[],
): ReadonlyMap<string, Message> {
  const messages = new Map<string, Message>();
  for (const table of tables) {
    for (const [group, text] of Object.entries(table)) {
      // A line that starts with blanks goes on with the message of the line before it.
      for (const entry of text.trim().split(/\n(?! )/)) {
        const [name = "", fields = ""] = entry.split(/ =\s*/);
        messages.set(`${group}.${name}`, parseMessage(fields, group));
      }
    }
  }
  return messages;
}

function parseMessage(text: string, group: string): Message {
  const fields = text.split(",").map((field) => field.trim().replace(/\s+/g, " "));
  return new Map(fields.filter((field) => field !== "").map((field) => parseField(field, group)));
}

function parseField(text: string, group: string): [number, Field] {
  const [, number, name, type = "", many, mark] = must(FIELD.exec(text) ?? undefined, `field in "${text}"`);
  return [
    Number(number),
    {
      name,
      type: parseType(type, group),
      many: many === "[]" ? "list" : many === "{}" ? "map" : "one",
      zero: mark === undefined ? "dropped" : "kept",
    },
  ];
}

function parseType(text: string, group: string): FieldType {
  if (SCALARS.includes(text)) return { kind: "scalar", scalar: text as Scalar };
  if (SPECIALS.includes(text)) return { kind: "special", special: text as Special };
  return { kind: "message", message: text.includes(".") ? text : `${group}.${text}` };
}
