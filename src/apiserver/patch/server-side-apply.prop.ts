import fc from "fast-check";
import { expect, test } from "vitest";
import { type FieldSet, pathsOf } from "./field-set.ts";
import { isJsonObject, type JsonObject } from "./json-value.ts";
import { managedFieldsOf, updateManagedFields } from "./managed-fields.ts";
import { mergeSchemaOf } from "./merge-keys.ts";
import { fieldsOf, ownable } from "./object-fields.ts";
import { applyServerSide } from "./server-side-apply.ts";

const schema = mergeSchemaOf("apps/v1", "Deployment");
const few = fc.constantFrom(1, 2, 3);
const name = fc.constantFrom("a", "b", "c");
const container = fc.record(
  {
    name,
    image: few,
    ports: fc.uniqueArray(
      fc.record({ containerPort: few, hostPort: few }, { requiredKeys: ["containerPort"] }),
      {
        selector: ({ containerPort }) => containerPort,
        maxLength: 2,
      },
    ),
    args: fc.array(few, { maxLength: 2 }),
  },
  { requiredKeys: ["name"] },
);
const deployment: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      labels: fc.dictionary(name, few),
      finalizers: fc.uniqueArray(name),
      replicas: few,
      selector: fc.record({ matchLabels: fc.dictionary(name, few) }),
      containers: fc.uniqueArray(container, { selector: ({ name }) => name }),
    },
    { requiredKeys: [] },
  )
  .map(({ labels, finalizers, replicas, selector, containers }) => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", ...(labels && { labels }), ...(finalizers && { finalizers }) },
    spec: {
      ...(replicas && { replicas }),
      ...(selector && { selector }),
      ...(containers && { template: { spec: { containers } } }),
    },
  }));

const step = fc.record({
  manager: fc.constantFrom("one", "two"),
  how: fc.constantFrom("apply", "force", "update"),
  document: deployment,
});

function apply(live: unknown, manager: string, applied: JsonObject, force: boolean) {
  return applyServerSide({ live, applied, manager, force, now: "T", apiVersion: "apps/v1", schema });
}

/** Plays writes of several managers; tells after each what every applier last applied with success. */
function play(
  steps: readonly { manager: string; how: string; document: JsonObject }[],
  visit: (object: JsonObject, applied: ReadonlyMap<string, JsonObject>) => void,
): void {
  let object: JsonObject | undefined;
  const applied = new Map<string, JsonObject>();
  for (const { manager, how, document } of steps) {
    if (how === "update") {
      const after: JsonObject = { ...document };
      const managedFields = updateManagedFields({
        before: object,
        after,
        manager,
        now: "T",
        apiVersion: "apps/v1",
      });
      const metadata = { ...(document["metadata"] as JsonObject), managedFields };
      object = { ...after, metadata };
    } else {
      const result = apply(object, manager, document, how === "force");
      if (!result.object) continue;
      object = result.object;
      applied.set(manager, document);
    }
    visit(object, applied);
  }
}

test("applying twice is the same as applying once", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4 }), deployment, (steps, document) => {
      let live: JsonObject | undefined;
      play(steps, (object) => {
        live = object;
      });
      const once = apply(live, "me", document, true);
      expect(apply(once.object, "me", document, false)).toEqual(once);
    }),
  );
});

test("after a forced apply its manager owns what it applied, and the object holds it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4 }), deployment, (steps, document) => {
      let live: JsonObject | undefined;
      play(steps, (object) => {
        live = object;
      });
      const { object } = apply(live, "me", document, true);
      const wanted = fieldsOf(ownable(document), schema);
      expect(managedFieldsOf(object).find(({ manager }) => manager === "me")?.fieldsV1 ?? {}).toEqual(wanted);
      for (const [path, value] of leaves(wanted, document))
        expect([path, valueAt(object, path)]).toEqual([path, value]);
    }),
  );
});

test("an applier owns a field only while it has the value which that applier applied", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
      play(steps, (object, applied) => {
        for (const entry of managedFieldsOf(object)) {
          const document = applied.get(entry.manager);
          if (entry.operation !== "Apply" || !document) continue;
          for (const [path, value] of leaves(entry.fieldsV1, document)) {
            expect([path, valueAt(object, path)]).toEqual([path, value]);
          }
        }
      });
    }),
    { numRuns: 500 },
  );
});

test("a field that exists has an owner, when all writes were tracked", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 6 }), (steps) => {
      play(steps, (object) => {
        const owned = new Set(managedFieldsOf(object).flatMap(({ fieldsV1 }) => pathsOf(fieldsV1)));
        const replicas = (object["spec"] as JsonObject)["replicas"];
        if (replicas !== undefined) expect(owned).toContain(".spec.replicas");
        else expect(owned).not.toContain(".spec.replicas");
      });
    }),
  );
});

type Path = readonly string[];

/** The scalars of a document that a set of fields holds, by their edges. */
function leaves(set: FieldSet, value: unknown, path: Path = []): [Path, unknown][] {
  return Object.entries(set).flatMap(([edge, below]): [Path, unknown][] => {
    if (edge === ".") return [];
    const child = childAt(value, edge);
    if (Object.keys(below).length > 0) return leaves(below, child, [...path, edge]);
    // An empty object or list that merges may be filled by others.
    return child !== null && typeof child === "object" && Object.keys(child).length === 0
      ? []
      : [[[...path, edge], child]];
  });
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce(childAt, value);
}

function childAt(value: unknown, edge: string): unknown {
  const text = edge.slice(2);
  if (edge.startsWith("f:")) return isJsonObject(value) ? value[text] : undefined;
  if (!Array.isArray(value)) return undefined;
  if (edge.startsWith("v:")) return value.find((item) => JSON.stringify(item) === text);
  const keys: Record<string, unknown> = JSON.parse(text);
  return value.find((item: JsonObject) =>
    Object.entries(keys).every(([key, wanted]) => (item[key] ?? "TCP") === wanted),
  );
}
