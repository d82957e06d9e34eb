/** @module The OpenAPI documents that kubectl asks for: to explain kinds, and to learn that the server validates fields. */
import { setOwn } from "../../base/own.ts";
import { isJsonObject, type JsonObject } from "../patch/json-value.ts";
import type { ResourceDefinition, SubresourceDefinition } from "../resource.ts";
import type { GroupVersionKind, Schemas } from "./schema.ts";

const REFERENCE = "#/components/schemas/";
const DEFINITION = "#/definitions/";
const DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const PATCH = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
const LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";

/** Strategic merge is left out: kubectl then uses its own merge keys, which are right, in place of those of the schemas. */
const PATCH_TYPES = [
  "application/apply-patch+yaml",
  "application/json-patch+json",
  "application/merge-patch+json",
];

const INFO = { title: "Kubernetes", version: "unversioned" };

export interface GroupDocument {
  readonly group: string;
  readonly version: string;
  /** Changes when the document does: kubectl keeps documents by it. */
  readonly hash: string;
}

function rootOf(group: string, version: string): string {
  return group === "" ? `api/${version}` : `apis/${group}/${version}`;
}

/** The answer to `/openapi/v3`: where the document of each group is. */
export function openapiV3Index(groups: readonly GroupDocument[]): JsonObject {
  const paths = groups.map(({ group, version, hash }) => {
    const root = rootOf(group, version);
    return [root, { serverRelativeURL: `/openapi/v3/${root}?hash=${encodeURIComponent(hash)}` }] as const;
  });
  return { paths: Object.fromEntries(paths) };
}

/**
 * The answer to `/openapi/v3/apis/GROUP/VERSION`.
 *
 * @param resources - those of the group
 * @returns paths for what their verbs allow, and every schema which those mention
 */
export function openapiV3Document(
  group: string,
  version: string,
  resources: readonly ResourceDefinition[],
  schemas: Schemas,
): JsonObject {
  const components = new Components(schemas);
  const paths: Record<string, unknown> = {};
  for (const resource of resources) {
    if (resource.group === group && resource.version === version)
      Object.assign(paths, pathsOf(resource, components));
  }
  return { openapi: "3.0.0", info: INFO, paths, components: { schemas: components.closed() } };
}

/** The answer to `/openapi/v2` in JSON: the definitions of all kinds. It has no paths. */
export function openapiV2Document(resources: readonly ResourceDefinition[], schemas: Schemas): JsonObject {
  const components = new Components(schemas);
  for (const { group, version, kind } of resources) {
    components.kind({ group, version, kind });
    components.list({ group, version, kind });
  }
  const definitions = Object.entries(components.closed()).map(([name, schema]) => [
    name,
    asDefinition(schema),
  ]);
  return { swagger: "2.0", info: INFO, paths: {}, definitions: Object.fromEntries(definitions) };
}

/** Collects the components that a document mentions. */
class Components {
  readonly #schemas: Schemas;
  readonly #found = new Map<string, JsonObject>();

  constructor(schemas: Schemas) {
    this.#schemas = schemas;
  }

  /** A reference to the schema of a kind; one without fields when nothing is known of it. */
  kind(kind: GroupVersionKind): JsonObject {
    const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
    const builtIn = this.#schemas.componentOf(apiVersion, kind.kind);
    if (builtIn !== undefined) return this.component(builtIn);
    const custom = this.#schemas.customSchema(apiVersion, kind.kind);
    return this.#add(nameOf(kind), {
      ...(custom ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true }),
      "x-kubernetes-group-version-kind": [kind],
    });
  }

  list(of: GroupVersionKind): JsonObject {
    const kind = { ...of, kind: `${of.kind}List` };
    const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
    const builtIn = this.#schemas.componentOf(apiVersion, kind.kind);
    if (builtIn !== undefined) return this.component(builtIn);
    return this.#add(nameOf(kind), {
      description: `${kind.kind} is a list of ${of.kind}`,
      type: "object",
      required: ["items"],
      properties: {
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: this.component(LIST_META),
        items: { type: "array", items: this.kind(of) },
      },
      "x-kubernetes-group-version-kind": [kind],
    });
  }

  component(name: string): JsonObject {
    return this.#add(name, this.#schemas.component(name) ?? { type: "object" });
  }

  /** All that were asked for, with all that these mention, by name. */
  closed(): Record<string, JsonObject> {
    return Object.fromEntries([...this.#found].sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  #add(name: string, schema: JsonObject): JsonObject {
    if (!this.#found.has(name)) {
      this.#found.set(name, schema);
      forEachReference(schema, (mentioned) => this.component(mentioned));
    }
    return { $ref: REFERENCE + name };
  }
}

/** `io.example.stable.v1.Widget`: the group from its broadest part on. */
function nameOf({ group, version, kind }: GroupVersionKind): string {
  return [...group.split(".").reverse(), version, kind].filter((part) => part !== "").join(".");
}

function forEachReference(value: unknown, visit: (name: string) => void): void {
  if (Array.isArray(value)) for (const item of value) forEachReference(item, visit);
  else if (isJsonObject(value)) {
    for (const key in value) {
      const part = value[key];
      if (key === "$ref" && typeof part === "string" && part.startsWith(REFERENCE))
        visit(part.slice(REFERENCE.length));
      else forEachReference(part, visit);
    }
  }
}

function query(name: string, type: string, description: string): JsonObject {
  return { name, in: "query", description, schema: { type, uniqueItems: true } };
}

const DRY_RUN = query("dryRun", "string", "All: nothing is stored; the answer is what would have been.");
const FIELD_MANAGER = query("fieldManager", "string", "The name of who makes the change.");
const FIELD_VALIDATION = query(
  "fieldValidation",
  "string",
  "What happens on unknown fields: Ignore, Warn (the default) or Strict.",
);
const FORCE = query("force", "boolean", "Takes fields from other managers. Only for server-side apply.");
const LABEL_SELECTOR = query("labelSelector", "string", "Restricts the list to objects with these labels.");
const FIELD_SELECTOR = query("fieldSelector", "string", "Restricts the list to objects with these fields.");
const WRITES = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

interface Operation {
  readonly action: string;
  readonly kind: GroupVersionKind;
  readonly parameters?: readonly JsonObject[];
  /** Schema of the body, for each of the content types. */
  readonly body?: JsonObject;
  readonly bodyTypes?: readonly string[];
  readonly answer: JsonObject;
}

function operation(what: Operation): JsonObject {
  const { action, kind, parameters = [], body, bodyTypes = ["*/*"], answer } = what;
  const contentOf = (types: readonly string[], schema: JsonObject): JsonObject =>
    Object.fromEntries(types.map((type) => [type, { schema }]));
  return {
    parameters,
    ...(body && { requestBody: { required: true, content: contentOf(bodyTypes, body) } }),
    responses: { "200": { description: "OK", content: contentOf(["application/json"], answer) } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": kind,
  };
}

function pathsOf(resource: ResourceDefinition, components: Components): Record<string, JsonObject> {
  const { group, version, kind, plural, namespaced } = resource;
  const root = `/${rootOf(group, version)}`;
  const collection = namespaced ? `${root}/namespaces/{namespace}/${plural}` : `${root}/${plural}`;
  const own = { group, version, kind };
  const verbs = new Set(resource.verbs);
  const object = components.kind(own);
  const list = operation({
    action: "list",
    kind: own,
    parameters: [LABEL_SELECTOR, FIELD_SELECTOR],
    answer: verbs.has("list") ? components.list(own) : object,
  });
  const status = components.component(STATUS);
  const paths: Record<string, JsonObject> = {
    [collection]: {
      ...(verbs.has("list") && { get: list }),
      ...(verbs.has("create") && {
        post: operation({ action: "post", kind: own, parameters: WRITES, body: object, answer: object }),
      }),
      ...(verbs.has("deletecollection") && {
        delete: operation({ action: "deletecollection", kind: own, parameters: [DRY_RUN], answer: status }),
      }),
    },
  };
  if (namespaced && verbs.has("list")) paths[`${root}/${plural}`] = { get: list };
  const itemVerbs = new Set(resource.verbs.filter((verb) => verb !== "create"));
  const item = itemOperations({ kind: own, verbs: itemVerbs, components });
  if (Object.keys(item).length > 0) paths[`${collection}/{name}`] = item;
  for (const subresource of resource.subresources) {
    const operations = itemOperations(subresourceOf(subresource, own, components));
    if (Object.keys(operations).length > 0) paths[`${collection}/{name}/${subresource.name}`] = operations;
  }
  return paths;
}

interface Item {
  readonly kind: GroupVersionKind;
  readonly verbs: ReadonlySet<string>;
  readonly components: Components;
}

function subresourceOf(
  { kind, group, version, verbs }: SubresourceDefinition,
  parent: GroupVersionKind,
  components: Components,
): Item {
  const own = { group: group ?? parent.group, version: version ?? parent.version, kind };
  return { kind: own, verbs: new Set(verbs), components };
}

function itemOperations({ kind, verbs, components }: Item): JsonObject {
  const object = components.kind(kind);
  return {
    ...(verbs.has("get") && { get: operation({ action: "get", kind, answer: object }) }),
    ...(verbs.has("create") && {
      post: operation({ action: "post", kind, parameters: WRITES, body: object, answer: object }),
    }),
    ...(verbs.has("update") && {
      put: operation({ action: "put", kind, parameters: WRITES, body: object, answer: object }),
    }),
    ...(verbs.has("patch") && {
      patch: operation({
        action: "patch",
        kind,
        parameters: [...WRITES, FORCE],
        body: components.component(PATCH),
        bodyTypes: PATCH_TYPES,
        answer: object,
      }),
    }),
    ...(verbs.has("delete") && {
      delete: operation({
        action: "delete",
        kind,
        parameters: [DRY_RUN],
        body: components.component(DELETE_OPTIONS),
        answer: components.component(STATUS),
      }),
    }),
  };
}

/** A schema in the words of OpenAPI 2, which knows no `oneOf`, and in which a description may stand beside a reference. */
function asDefinition(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(asDefinition);
  if (!isJsonObject(schema)) return schema;
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "$ref" && typeof value === "string") result[key] = value.replace(REFERENCE, DEFINITION);
    else if (key === "oneOf" || key === "anyOf") result["type"] ??= "string";
    else if (key === "allOf" && Array.isArray(value) && value.length === 1)
      Object.assign(result, asDefinition(value[0]));
    else if (key !== "nullable") setOwn(result, key, asDefinition(value));
  }
  return result;
}
