/**
 * @module What the fields of a kind are: a view of OpenAPI schemas in which references are followed.
 *
 * The schemas of the built-in kinds come from the file that `scripts/openapi.mjs` writes; those of custom resources are
 * registered as they come and go.
 */
import { ownValue } from "../../base/own.ts";
import { isJsonObject, type JsonObject } from "../patch/json-value.ts";

const REFERENCE = "#/components/schemas/";
const OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

export type SchemaType =
  | "any"
  | "object"
  | "array"
  | "string"
  | "integer"
  | "number"
  | "boolean"
  | "int-or-string"
  | "quantity";

/** One schema. Its parts are made when they are asked for: kinds may contain themselves. */
export class Schema {
  readonly type: SchemaType;
  readonly format: string | undefined;
  readonly required: readonly string[];
  /** Fields which the schema does not name are kept, and nothing is said of them. */
  readonly preservesUnknown: boolean;
  /** What Go calls the type: `v1.PodSpec`, `int32`. Undefined in custom resources: Go has no type for them. */
  readonly goType: string | undefined;
  readonly #raw: JsonObject;
  readonly #resolve: Resolve;
  readonly #fields = new Map<string, Schema | undefined>();
  #items: Schema | undefined;
  #values: Schema | undefined;

  constructor(raw: JsonObject, resolve: Resolve, goType: string | undefined) {
    this.#raw = raw;
    this.#resolve = resolve;
    this.type = typeOf(raw);
    this.format = typeof raw["format"] === "string" ? raw["format"] : undefined;
    this.required = Array.isArray(raw["required"]) ? raw["required"].map(String) : [];
    this.preservesUnknown = raw["x-kubernetes-preserve-unknown-fields"] === true;
    this.goType = goType;
  }

  /** The fields that the schema names. */
  get fieldNames(): readonly string[] {
    const properties = this.#raw["properties"];
    return isJsonObject(properties) ? Object.keys(properties) : [];
  }

  /** The schema of a field, or of any value when the object is a map; undefined: there is no such field. */
  field(name: string): Schema | undefined {
    if (this.#fields.has(name)) return this.#fields.get(name);
    const properties = this.#raw["properties"];
    const own = isJsonObject(properties) ? ownValue(properties, name) : undefined;
    const isEmbedded = this.#raw["x-kubernetes-embedded-resource"] === true;
    const raw = own ?? (isEmbedded ? ownValue(EMBEDDED, name) : undefined);
    if (raw === undefined) return this.values;
    const field = this.#resolve(raw);
    this.#fields.set(name, field);
    return field;
  }

  /** The schema of the values, when the object is a map. */
  get values(): Schema | undefined {
    const values = this.#raw["additionalProperties"];
    if (values === undefined || values === false) return undefined;
    this.#values ??= this.#resolve(values === true ? {} : values);
    return this.#values;
  }

  /** The schema of the items, when it is a list. */
  get items(): Schema | undefined {
    const items = this.#raw["items"];
    if (items === undefined) return undefined;
    this.#items ??= this.#resolve(items);
    return this.#items;
  }
}

type Resolve = (raw: unknown) => Schema;

const EMBEDDED: Readonly<Record<string, JsonObject>> = {
  apiVersion: { type: "string" },
  kind: { type: "string" },
  metadata: { $ref: REFERENCE + OBJECT_META },
};

function typeOf(raw: JsonObject): SchemaType {
  if (raw["format"] === "int-or-string" || raw["x-kubernetes-int-or-string"] === true) return "int-or-string";
  switch (raw["type"]) {
    case "object":
    case "array":
    case "string":
    case "integer":
    case "number":
    case "boolean":
      return raw["type"];
    default:
      break;
  }
  if (isJsonObject(raw["properties"])) return "object";
  const oneOf = raw["oneOf"];
  const isQuantity =
    Array.isArray(oneOf) && oneOf.some((one) => isJsonObject(one) && one["type"] === "number");
  return isQuantity ? "quantity" : "any";
}

function kindKey(apiVersion: string, kind: string): string {
  return `${apiVersion} ${kind}`;
}

/** The schemas of all kinds that are served. */
export class Schemas {
  readonly #components: JsonObject;
  readonly #byReference = new Map<string, Schema>();
  /** The names of the built-in kinds' schemas. */
  readonly #kinds = new Map<string, string>();
  readonly #custom = new Map<string, { readonly raw: JsonObject; readonly schema: Schema }>();

  /** @param openApi - the parsed content of the file that `scripts/openapi.mjs` writes */
  constructor(openApi: unknown) {
    const components = isJsonObject(openApi) ? openApi["components"] : undefined;
    const schemas = isJsonObject(components) ? components["schemas"] : undefined;
    this.#components = isJsonObject(schemas) ? schemas : {};
    for (const [name, schema] of Object.entries(this.#components)) {
      for (const { group, version, kind } of kindsOf(schema)) {
        this.#kinds.set(kindKey(group === "" ? version : `${group}/${version}`, kind), name);
      }
    }
  }

  /** @returns undefined when the kind is neither built in nor registered */
  schemaOf(apiVersion: string, kind: string): Schema | undefined {
    const key = kindKey(apiVersion, kind);
    const name = this.#kinds.get(key);
    return name === undefined
      ? this.#custom.get(key)?.schema
      : this.#resolve({ $ref: REFERENCE + name }, "built-in");
  }

  /**
   * Adds a kind, or changes it. Its `apiVersion`, `kind` and `metadata` need not be in the schema.
   *
   * @param openApi - an `openAPIV3Schema`; it may refer to built-in schemas
   */
  register(apiVersion: string, kind: string, openApi: unknown): void {
    const given = isJsonObject(openApi) ? openApi : { type: "object" };
    const properties = isJsonObject(given["properties"]) ? given["properties"] : {};
    const raw: JsonObject = {
      type: "object",
      ...given,
      properties: { ...EMBEDDED, ...properties, metadata: EMBEDDED["metadata"] },
    };
    this.#custom.set(kindKey(apiVersion, kind), { raw, schema: this.#resolve(raw, "custom") });
  }

  unregister(apiVersion: string, kind: string): void {
    this.#custom.delete(kindKey(apiVersion, kind));
  }

  /** The name of the component that describes a built-in kind. */
  componentOf(apiVersion: string, kind: string): string | undefined {
    return this.#kinds.get(kindKey(apiVersion, kind));
  }

  component(name: string): JsonObject | undefined {
    const component = ownValue(this.#components, name);
    return isJsonObject(component) ? component : undefined;
  }

  get componentNames(): readonly string[] {
    return Object.keys(this.#components);
  }

  /** The schema of a registered kind as OpenAPI. */
  customSchema(apiVersion: string, kind: string): JsonObject | undefined {
    return this.#custom.get(kindKey(apiVersion, kind))?.raw;
  }

  #resolve(raw: unknown, origin: "built-in" | "custom"): Schema {
    const given = isJsonObject(raw) ? raw : {};
    const name = referenceOf(given);
    if (name === undefined) {
      const goType = origin === "custom" ? undefined : goTypeOf(given);
      return new Schema(given, (part) => this.#resolve(part, origin), goType);
    }
    const known = this.#byReference.get(name);
    if (known) return known;
    const schema = new Schema(
      this.component(name) ?? {},
      (part) => this.#resolve(part, "built-in"),
      goNameOf(name),
    );
    this.#byReference.set(name, schema);
    return schema;
  }
}

/** The component that a schema is, directly or as the one part of an `allOf`. */
export function referenceOf(raw: JsonObject): string | undefined {
  const reference = raw["$ref"];
  if (typeof reference === "string" && reference.startsWith(REFERENCE))
    return reference.slice(REFERENCE.length);
  const [only, ...more] = Array.isArray(raw["allOf"]) ? raw["allOf"] : [];
  return isJsonObject(only) && more.length === 0 && raw["properties"] === undefined
    ? referenceOf(only)
    : undefined;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

function kindsOf(schema: unknown): readonly GroupVersionKind[] {
  const kinds = isJsonObject(schema) ? schema["x-kubernetes-group-version-kind"] : undefined;
  return Array.isArray(kinds) ? (kinds as GroupVersionKind[]) : [];
}

/** `io.k8s.api.core.v1.PodSpec` is `v1.PodSpec`. */
function goNameOf(component: string): string {
  return component.split(".").slice(-2).join(".");
}

function goTypeOf(raw: JsonObject): string {
  switch (raw["type"]) {
    case "string":
      return raw["format"] === "byte" ? "[]uint8" : "string";
    case "integer":
      return typeof raw["format"] === "string" ? raw["format"] : "int64";
    case "number":
      return "float64";
    case "boolean":
      return "bool";
    case "array":
      return `[]${partType(raw["items"])}`;
    case "object":
      return `map[string]${partType(raw["additionalProperties"])}`;
    default:
      return "interface {}";
  }
}

function partType(raw: unknown): string {
  if (!isJsonObject(raw)) return "interface {}";
  const name = referenceOf(raw);
  return name === undefined ? goTypeOf(raw) : goNameOf(name);
}
