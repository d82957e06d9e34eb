/** @module Short ways to write down the schema of a kind that has none published: in OpenAPI, as definitions have it. */
import type { JsonObject } from "../../patch/json-value.ts";

export type Properties = Readonly<Record<string, JsonObject>>;

export function text(description: string): JsonObject {
  return { type: "string", description };
}

/** One of a few words. What is none of them is refused by the decoder, in its own words. */
export function word(description: string, words: readonly string[]): JsonObject {
  return { type: "string", description, enum: words };
}

export function flag(description: string): JsonObject {
  return { type: "boolean", description };
}

export function whole(description: string): JsonObject {
  return { type: "integer", format: "int32", description };
}

export function numeric(description: string): JsonObject {
  return { type: "number", description };
}

export function intOrString(description: string): JsonObject {
  return {
    "x-kubernetes-int-or-string": true,
    anyOf: [{ type: "integer" }, { type: "string" }],
    description,
  };
}

export function list(description: string, items: JsonObject): JsonObject {
  return { type: "array", description, items };
}

export function texts(description: string): JsonObject {
  return list(description, { type: "string" });
}

export function textMap(description: string): JsonObject {
  return { type: "object", description, additionalProperties: { type: "string" } };
}

export function object(
  description: string,
  properties: Properties,
  required: readonly string[] = [],
): JsonObject {
  return { type: "object", description, properties, ...(required.length > 0 && { required }) };
}

/** A list of rules or peers: the same, item by item. */
export function objects(
  description: string,
  properties: Properties,
  required: readonly string[] = [],
): JsonObject {
  const { description: _, ...items } = object("", properties, required);
  return list(description, items);
}

export function labelSelector(description: string): JsonObject {
  return {
    ...object(description, {
      matchExpressions: objects(
        "Requirements of labels, all of which must hold.",
        {
          key: text("The label that is looked at."),
          operator: word("How its value stands to the values.", ["In", "NotIn", "Exists", "DoesNotExist"]),
          values: texts("For In and NotIn, and only for these."),
        },
        ["key", "operator"],
      ),
      matchLabels: textMap("Labels with the values that they must have."),
    }),
    "x-kubernetes-map-type": "atomic",
  };
}

/** A whole kind. What controllers elsewhere write of it as its status is kept. */
export function kind(description: string, spec: JsonObject, required: readonly string[] = []): JsonObject {
  const status = {
    type: "object",
    description: "What was last seen of the object. No verdict depends on it.",
    "x-kubernetes-preserve-unknown-fields": true,
  };
  return object(description, { spec, status }, required);
}
