import { expect, test } from "vitest";
import { decodeTexts, decodeValue } from "../load.ts";
import { NO_SOURCE } from "../source.ts";

const HEAD = "apiVersion: projectcalico.org/v3\n";

function load(text: string): { objects: readonly unknown[]; issues: string[] } {
  const { objects, issues } = decodeTexts([{ file: "a.yaml", text: HEAD + text }]);
  return { objects, issues: issues.map(({ code, path }) => `${code} ${path}`) };
}

test("nets are masked in silence, each is kept once, and an address is a net", () => {
  const nets = "[10.1.2.3/8, 10.0.0.0/8, 192.0.2.1, '2001:DB8::1/32', 192.0.2.1/32]";
  expect(
    load(`kind: NetworkSet\nmetadata: {name: s, labels: {a: b}}\nspec: {nets: ${nets}}\n`),
  ).toMatchObject({
    objects: [
      {
        kind: "NetworkSet",
        namespace: "default",
        labels: { a: "b" },
        nets: ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"],
      },
    ],
    issues: [],
  });
});

test("a set of the cluster has no namespace, and may have no nets", () => {
  expect(load("kind: GlobalNetworkSet\nmetadata: {name: s}\n")).toMatchObject({
    objects: [{ kind: "GlobalNetworkSet", namespace: "", nets: [] }],
    issues: [],
  });
});

test("what is no net is left out, and who denies by the set is told", () => {
  const { objects, issues } = decodeTexts([
    {
      file: "a.yaml",
      text: `${HEAD}kind: NetworkSet\nmetadata: {name: s}\nspec: {nets: [10.0.0.0/33, ::/0]}\n`,
    },
  ]);
  expect(objects).toMatchObject([{ nets: ["::/0"] }]);
  expect(issues).toMatchObject([
    {
      code: "invalid-cidr",
      severity: "error",
      message: expect.stringContaining("rules that deny by this set do not cover it") as unknown,
      position: { line: 4, column: 15 },
    },
  ]);
});

test("the label that Calico sets is refused, and does not put the set into a namespace", () => {
  const text =
    "kind: GlobalNetworkSet\nmetadata: {name: s, labels: {projectcalico.org/namespace: x, a: b}}\n";
  const { objects, issues } = load(text);
  expect(issues).toEqual(["reserved-label metadata.labels[projectcalico.org/namespace]"]);
  expect(objects).toMatchObject([{ labels: { a: "b" } }]);
  expect(objects).not.toMatchObject([{ labels: { "projectcalico.org/namespace": "x" } }]);
});

// Quadratic work would take minutes here.
test("a hundred thousand nets decode, and each bad one is told at its place", { timeout: 20_000 }, () => {
  const count = 100_000;
  const nets = Array.from({ length: count }, (_, index) => {
    const address = `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
    return index % 10 === 0 ? `${address}/64` : `${address}/32`;
  });
  const spec = { nets };
  const value = {
    apiVersion: "projectcalico.org/v3",
    kind: "GlobalNetworkSet",
    metadata: { name: "s" },
    spec,
  };
  const inMemory = decodeValue(value, NO_SOURCE);
  expect(inMemory.objects).toMatchObject([{ nets: { length: count - count / 10 } }]);
  const text = `${HEAD}kind: GlobalNetworkSet\nmetadata: {name: s}\nspec:\n  nets:\n${nets.map((net) => `  - ${net}\n`).join("")}`;
  const { issues } = decodeTexts([{ file: "a.yaml", text }]);
  expect(issues).toHaveLength(count / 10);
  expect(issues.at(-1)).toMatchObject({ position: { line: 6 + count - 10, column: 5 } });
});
