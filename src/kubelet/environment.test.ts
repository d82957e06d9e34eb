import { expect, test } from "vitest";
import type { Pod } from "../client/kinds.ts";
import { expand, podField } from "./environment.ts";

const pod: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "p", namespace: "n", labels: { app: "a" } },
  spec: { containers: [] },
};
const facts = { pod, addresses: [], hostAddresses: [] } as unknown as Parameters<typeof podField>[1];

test.each(["constructor", "toString"])("a label or annotation %s that a pod has not is empty", (key) => {
  expect(podField(`metadata.labels['${key}']`, facts)).toBe("");
  expect(podField(`metadata.annotations['${key}']`, facts)).toBe("");
});

test("a variable that is not there stays as it is written", () => {
  expect(expand("$(toString) $(A)", new Map([["A", "b"]]))).toBe("$(toString) b");
});
