/** @module The API server over HTTP: the fields of policies that are not Kubernetes' own, told and checked as built-in ones are. */
import { describe, expect, test } from "vitest";
import { AS_ADMIN, controlPlaneForFile, type RawAnswer } from "../support/control-plane.ts";

const { api } = await controlPlaneForFile();

const CALICO = "/apis/projectcalico.org/v3";
const GLOBAL = `${CALICO}/globalnetworkpolicies`;
const CLUSTER = "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies";

const post = (path: string, kind: string, spec: object, validation = "Strict"): Promise<RawAnswer> => {
  const apiVersion = path.split("/").slice(2, 4).join("/");
  return api.raw({
    method: "POST",
    path: `${path}?fieldValidation=${validation}`,
    headers: { ...AS_ADMIN, "content-type": "application/json" },
    body: JSON.stringify({
      apiVersion,
      kind,
      metadata: { name: `p${Math.random().toString(36).slice(2)}` },
      spec,
    }),
  });
};
const messageOf = ({ text }: RawAnswer): string => (JSON.parse(text) as { message: string }).message;

describe("fields", () => {
  test.each([
    [
      GLOBAL,
      "GlobalNetworkPolicy",
      { ingress: [{ action: "Allow", source: { selektor: "all()" } }], ingres: [] },
      'unknown field "spec.ingres", unknown field "spec.ingress[0].source.selektor"',
    ],
    [
      CLUSTER,
      "ClusterNetworkPolicy",
      { tier: "Admin", priority: 1, subject: { namespaces: {} }, egres: [] },
      'unknown field "spec.egres"',
    ],
  ])("one that nobody knows is refused when the client is strict: %s", async (path, kind, spec, words) => {
    const answer = await post(path, kind, spec);
    expect(answer.code).toBe(400);
    const told = messageOf(answer);
    expect(told).toContain(`${kind} in version `);
    const listed = told.split("strict decoding error: ")[1] ?? "";
    expect(listed.split(", ").sort()).toEqual(words.split(", ").sort());
  });

  test("one that nobody knows is told and dropped when the client is not strict", async () => {
    const answer = await post(GLOBAL, "GlobalNetworkPolicy", { selector: "all()", ingres: [] }, "Warn");
    expect(answer.code).toBe(201);
    expect(String(answer.headers["warning"])).toContain('unknown field \\"spec.ingres\\"');
    expect((JSON.parse(answer.text) as { spec: object }).spec).toEqual({ selector: "all()" });
  });

  test("one of the wrong type is refused by its name", async () => {
    const answer = await post(GLOBAL, "GlobalNetworkPolicy", { order: "first" });
    expect(answer.code).toBe(422);
    expect(messageOf(answer)).toContain(
      'spec.order: Invalid value: "string": spec.order in body must be of type number: "string"',
    );
  });
});

test("the document of the group says what a rule's source has", async () => {
  const { text } = await api.raw({ path: "/openapi/v3/apis/projectcalico.org/v3", headers: AS_ADMIN });
  type Schema = { properties: Record<string, Schema>; items: Schema; description: string };
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, Schema> } };
  const kind = components.schemas["org.projectcalico.v3.GlobalNetworkPolicy"];
  const source = kind?.properties["spec"]?.properties["ingress"]?.items.properties["source"];
  expect(Object.keys(source?.properties ?? {})).toContain("namespaceSelector");
  expect(source?.description).not.toBe("");
});

test("kinds are found by the short names of Calico's API server, and none by that of another kind", async () => {
  const namesIn = async (path: string): Promise<[string, string][]> => {
    const { text } = await api.raw({ path, headers: AS_ADMIN });
    const { resources } = JSON.parse(text) as { resources: { name: string; shortNames?: string[] }[] };
    return resources.flatMap(({ name, shortNames }) =>
      (shortNames ?? []).map((short): [string, string] => [short, name]),
    );
  };
  const calico = await namesIn(CALICO);
  const others = await Promise.all(
    ["/api/v1", "/apis/networking.k8s.io/v1", "/apis/policy.networking.k8s.io/v1alpha2"].map(namesIn),
  );
  expect(Object.fromEntries(calico)).toMatchObject({
    gnp: "globalnetworkpolicies",
    hep: "hostendpoints",
    netset: "networksets",
  });
  const taken = new Set(others.flat().map(([short]) => short));
  expect(calico.filter(([short]) => taken.has(short))).toEqual([]);
});
