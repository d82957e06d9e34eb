/**
 * Writes the OpenAPI schemas of the built-in kinds to the path that is its argument: `node scripts/openapi.mjs FILE`.
 *
 * No npm package holds Kubernetes' OpenAPI document, but the classes of the JavaScript client were made from it. They say what
 * fields there are, of what types, and which are required; `kubernetes-types` says which group a class is of, and which texts
 * are quantities. The same packages give the same bytes.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const modules = join(dirname(fileURLToPath(import.meta.url)), "..", "node_modules");
const models = join(modules, "@kubernetes", "client-node", "dist", "gen", "models");

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const RAW = "io.k8s.apimachinery.pkg.runtime.RawExtension";

/** Where kubernetes-types keeps a group, the group's name, and what its schemas are called. */
const GROUPS = [
  { folder: "core", group: "", prefix: "io.k8s.api.core.v1" },
  { folder: "meta", group: "", prefix: META, kinds: ["Status"] },
  { folder: "apps", group: "apps" },
  { folder: "batch", group: "batch" },
  { folder: "autoscaling", group: "autoscaling" },
  { folder: "networking", group: "networking.k8s.io" },
  { folder: "discovery", group: "discovery.k8s.io" },
  { folder: "policy", group: "policy" },
  { folder: "rbac", group: "rbac.authorization.k8s.io" },
  { folder: "coordination", group: "coordination.k8s.io" },
  { folder: "events", group: "events.k8s.io" },
  { folder: "authentication", group: "authentication.k8s.io" },
  { folder: "authorization", group: "authorization.k8s.io" },
  { folder: "scheduling", group: "scheduling.k8s.io" },
  { folder: "storage", group: "storage.k8s.io" },
  { folder: "admissionregistration", group: "admissionregistration.k8s.io" },
  {
    folder: "apiextensions",
    group: "apiextensions.k8s.io",
    prefix: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
  },
  {
    // kubernetes-types does not have this one.
    folder: undefined,
    group: "apiregistration.k8s.io",
    prefix: "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
    kinds: ["APIService", "APIServiceList"],
  },
].map((group) => ({
  prefix: `io.k8s.api.${group.folder}.v1`,
  kinds: [],
  names: new Set(),
  quantities: new Set(),
  descriptions: new Map(),
  ...group,
}));

const [CORE, MACHINERY] = GROUPS;

/** Fields of any type, which the classes say no more of. */
const ANY = {
  "ControllerRevision.data": RAW,
  "WatchEvent.object": RAW,
  "ManagedFieldsEntry.fieldsV1": `${META}.FieldsV1`,
};

for (const group of GROUPS) {
  if (group.folder === undefined) continue;
  const text = readFileSync(join(modules, "kubernetes-types", group.folder, "v1.d.ts"), "utf8");
  for (const [, name, body] of text.matchAll(/^export (?:declare )?(?:interface|type) (\w+)\b((?:(?!^export )[\s\S])*)/gm)) {
    group.names.add(name);
    if (/^ {4}kind\?: "/m.test(body) && !name.startsWith("API")) group.kinds.push(name);
    for (const [, comment, field, type] of body.matchAll(
      /^(?: {4}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)? {4}(?:readonly )?"?(\w+)"?\??: ([\s\S]*?);\n(?= {4}\S|\})/gm,
    )) {
      if (/\bQuantity\b/.test(type)) group.quantities.add(`${name}.${field}`);
      group.descriptions.set(`${name}.${field}`, textOf((comment ?? "").replace(/^\s*\* ?/gm, "")));
    }
  }
}

const pascal = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The file of the class for a name: prefixed with the group where several groups have the name. */
function readClass(group, name) {
  const folder = group.folder ?? "apiregistration";
  for (const file of [`${pascal(folder)}V1${name}`, `V1${name}`]) {
    try {
      return {
        js: readFileSync(join(models, `${file}.js`), "utf8"),
        types: readFileSync(join(models, `${file}.d.ts`), "utf8"),
      };
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }
  throw new Error(`no class for ${group.prefix}.${name}`);
}

function textOf(comment) {
  return (comment ?? "")
    .replace(/\\(['"`])/g, "$1")
    .replaceAll("*_/", "*/")
    .trim();
}

const schemas = {};

/** The group of a class that is mentioned in another: `CoreV1EndpointPort`, `V1PodSpec`. */
function resolveClass(reference, from) {
  const [, prefix, name] = /^(\w*?)V1(\w+)$/.exec(reference) ?? [];
  if (name === undefined) throw new Error(`what is ${reference}?`);
  if (prefix !== "") {
    const group = GROUPS.find(({ folder }) => pascal(folder ?? "apiregistration") === prefix);
    if (!group) throw new Error(`what group is ${reference} of?`);
    return { group, name };
  }
  const holder = [from, CORE, MACHINERY, ...GROUPS].find(({ names }) => names.has(name));
  return { group: holder ?? from, name };
}

function refTo(name) {
  return { $ref: `#/components/schemas/${name}` };
}

function schemaOfType(type, format, context) {
  const array = /^Array<(.+)>$/.exec(type);
  if (array) return { type: "array", items: schemaOfType(array[1], format, context) };
  const map = /^\{ \[key: string\]: (.+); \}$/.exec(type);
  if (map) return { type: "object", additionalProperties: schemaOfType(map[1], format, context) };
  switch (type) {
    case "string":
      if (context.isQuantity) return refTo(QUANTITY);
      return format === "" ? { type: "string" } : { type: "string", format };
    case "number":
      return format === "double" ? { type: "number", format } : { type: "integer", format: format || "int32" };
    case "boolean":
      return { type: "boolean" };
    case "Date":
      return refTo(`${META}.Time`);
    case "V1MicroTime":
      return refTo(`${META}.MicroTime`);
    case "IntOrString":
      return refTo(INT_OR_STRING);
    case "any":
      return context.any === undefined ? {} : refTo(context.any);
    default: {
      const target = resolveClass(type, context.group);
      visit(target.group, target.name);
      return refTo(`${target.group.prefix}.${target.name}`);
    }
  }
}

function describe(schema, description) {
  if (description === "") return schema;
  // Beside a $ref nothing else counts, so it goes into an allOf.
  return schema.$ref ? { allOf: [schema], description } : { ...schema, description };
}

function visit(group, name) {
  const schemaName = `${group.prefix}.${name}`;
  if (schemas[schemaName]) return;
  const schema = { type: "object" };
  schemas[schemaName] = schema;
  const { js, types } = readClass(group, name);
  const attributes = JSON.parse(/attributeTypeMap = (\[[\s\S]*?\n\]);/.exec(js)?.[1] ?? "[]");
  const description = textOf(/\/\*\*\n\* ([^\n]*)\n\*\/\nexport declare class/.exec(types)?.[1]);
  const declared = new Map();
  for (const [, comment, field, optional] of types.matchAll(/(?: {4}\/\*\*\n {4}\* ([^\n]*)\n {4}\*\/\n)? {4}'(\w+)'(\??): /g)) {
    declared.set(field, { description: textOf(comment), isOptional: optional === "?" });
  }
  const required = [];
  const properties = {};
  for (const { name: field, baseName, type, format } of attributes) {
    const own = declared.get(field) ?? { description: "", isOptional: true };
    const path = `${name}.${baseName}`;
    const isQuantity = group.quantities.has(path);
    // The classes say nothing of a field that is an object of another class, or what that class is.
    const says = own.description === "" || type === "IntOrString" ? group.descriptions.get(path) : undefined;
    const fieldSchema = schemaOfType(type, format, { group, isQuantity, any: ANY[path] });
    properties[baseName] = describe(fieldSchema, says ?? own.description);
    if (!own.isOptional) required.push(baseName);
  }
  if (description !== "") schema.description = description;
  if (attributes.length > 0) schema.properties = properties;
  if (required.length > 0) schema.required = required.sort();
}

Object.assign(schemas, {
  [INT_OR_STRING]: {
    description: "IntOrString is a type that can hold an int32 or a string.",
    format: "int-or-string",
    oneOf: [{ type: "integer" }, { type: "string" }],
  },
  [QUANTITY]: {
    description: "Quantity is a fixed-point number with a suffix: 500m, 1.5, 2Gi, 3M, 1e3.",
    oneOf: [{ type: "string" }, { type: "number" }],
  },
  [RAW]: { description: "An object of any kind.", type: "object", "x-kubernetes-preserve-unknown-fields": true },
  [`${META}.Time`]: { description: "A time in the format of RFC 3339.", format: "date-time", type: "string" },
  [`${META}.MicroTime`]: {
    description: "A time in the format of RFC 3339, with microseconds.",
    format: "date-time",
    type: "string",
  },
  [`${META}.FieldsV1`]: {
    description: "A set of fields, as a tree.",
    type: "object",
    "x-kubernetes-preserve-unknown-fields": true,
  },
  [`${META}.Patch`]: { description: "Patch is provided to give a concrete name and type to a patch body.", type: "object" },
});

for (const group of GROUPS) {
  for (const kind of group.kinds) {
    visit(group, kind);
    schemas[`${group.prefix}.${kind}`]["x-kubernetes-group-version-kind"] = [
      { group: group.group, kind, version: "v1" },
    ];
  }
}

const sorted = Object.fromEntries(Object.keys(schemas).sort().map((name) => [name, schemas[name]]));
const path = process.argv[2];
if (path === undefined) {
  process.stderr.write("usage: node scripts/openapi.mjs FILE\n");
  process.exit(2);
}
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, `${JSON.stringify({ components: { schemas: sorted } })}\n`);
