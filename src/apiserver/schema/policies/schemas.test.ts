import { afterEach, describe, expect, test, vi } from "vitest";
import { Fields } from "../../../resources/decode/cursor.ts";
import { decodeValue } from "../../../resources/load.ts";
import { NO_SOURCE } from "../../../resources/source.ts";
import { isJsonObject, type JsonObject } from "../../patch/json-value.ts";
import { CALICO, NETWORKING } from "../../resources/networking.ts";
import { CALICO_SCHEMAS } from "./calico.ts";
import { CLUSTER_POLICY_SCHEMAS } from "./cluster-policy.ts";

afterEach(() => void vi.restoreAllMocks());

interface Node {
  readonly path: string;
  readonly schema: JsonObject;
  /** A spec with nothing in it but this. */
  readonly wrap: (value: unknown) => unknown;
}

/** All that a schema says of a spec, from the outside in. */
function nodesOf(node: Node): Node[] {
  const { schema, path, wrap } = node;
  const inner: Node[] = [];
  const { properties, items } = schema as { properties?: Record<string, JsonObject>; items?: JsonObject };
  for (const [name, field] of Object.entries(properties ?? {})) {
    const at = name.includes("-") ? `${path}["${name}"]` : `${path}.${name}`;
    inner.push({ path: at, schema: field, wrap: (value) => wrap({ [name]: value }) });
  }
  if (items) inner.push({ path: `${path}[0]`, schema: items, wrap: (value) => wrap([value]) });
  return [node, ...inner.flatMap(nodesOf)];
}

/** A value of the type that a schema asks for. */
function sample({ type, ...schema }: JsonObject): unknown {
  if (schema["x-kubernetes-int-or-string"] === true) return "1";
  switch (type) {
    case "string":
      return "x";
    case "boolean":
      return true;
    case "integer":
    case "number":
      return 1;
    case "array":
      return [];
    default:
      return {};
  }
}

const VERSIONS: Readonly<Record<string, string>> = { ClusterNetworkPolicy: "v1alpha2" };
const KINDS = [
  ...Object.entries(CALICO_SCHEMAS).map(([kind, schema]) => ({
    apiVersion: "projectcalico.org/v3",
    kind,
    schema,
  })),
  ...Object.entries(CLUSTER_POLICY_SCHEMAS).map(([kind, schema]) => ({
    apiVersion: `policy.networking.k8s.io/${VERSIONS[kind] ?? "v1alpha1"}`,
    kind,
    schema,
  })),
];

test("every kind that is served has its schema", () => {
  const own = [...CALICO, ...NETWORKING].filter(({ openApiSchema }) => openApiSchema);
  expect(own.map(({ group, version, kind }) => `${group}/${version} ${kind}`).sort()).toEqual(
    KINDS.map(({ apiVersion, kind }) => `${apiVersion} ${kind}`).sort(),
  );
});

describe.each(KINDS)("$kind", ({ apiVersion, kind, schema }) => {
  const decode = (spec: unknown) => {
    const metadata = { name: kind === "BaselineAdminNetworkPolicy" ? "default" : "a" };
    return decodeValue({ apiVersion, kind, metadata, spec }, NO_SOURCE).issues;
  };
  const specSchema = (schema["properties"] as Record<string, JsonObject>)["spec"] as JsonObject;
  const nodes = nodesOf({ path: "spec", schema: specSchema, wrap: (value) => value });
  const mappings = nodes.filter((node) => isJsonObject(node.schema["properties"]));

  test("has the fields that the decoder takes, and no others", () => {
    const opened = new Map<string, ReadonlySet<string>>();
    const report = vi.spyOn(Fields.prototype, "reportUnknown").mockImplementation(function (
      this: Fields,
      known,
    ) {
      opened.set(this.path, known);
    });
    const taken: Record<string, string[]> = {};
    for (const { path, wrap } of mappings) {
      opened.clear();
      decode(wrap({}));
      taken[path] = [...(opened.get(path) ?? [])].sort();
    }
    report.mockRestore();
    const told = mappings.map(({ path, schema: { properties } }) => [
      path,
      Object.keys(properties as object).sort(),
    ]);
    expect(Object.fromEntries(told)).toEqual(taken);
  });

  test("has fields of the types that the decoder takes", () => {
    const refused = nodes.filter(({ path, schema: field, wrap }) =>
      decode(wrap(sample(field))).some((issue) => issue.code === "invalid-type" && issue.path === path),
    );
    expect(refused.map(({ path }) => path)).toEqual([]);
  });

  test("requires what the decoder requires", () => {
    const told = mappings.flatMap(({ path, schema: { required }, wrap }) =>
      ((required ?? []) as string[]).map((name) => {
        const issues = decode(wrap({}));
        return [
          `${path}.${name}`,
          issues.some((issue) => issue.code === "required" && issue.path === `${path}.${name}`),
        ];
      }),
    );
    // What a selector's operator may be is told of one that is missing, too.
    const missed = told.filter(([, isTold]) => !isTold).map(([path]) => String(path));
    expect(missed.filter((path) => !path.endsWith(".operator"))).toEqual([]);
  });
});
