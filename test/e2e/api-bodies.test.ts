/** @module The API server over HTTP: what bodies say, in whichever form they come. */
import { describe, expect, it } from "vitest";
import { NETWORK_POLICIES } from "../../src/client/kinds.ts";
import { AS_ADMIN, controlPlaneForFile, type RawAnswer } from "../support/control-plane.ts";

const { api, admin } = await controlPlaneForFile();
const POLICIES = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
const MAPS = "/api/v1/namespaces/default/configmaps";

function send(method: string, path: string, type: string, body: string): Promise<RawAnswer> {
  return api.raw({ method, path, headers: { ...AS_ADMIN, "content-type": type }, body });
}

const warningsOf = ({ headers }: RawAnswer): string => String(headers["warning"] ?? "");

describe("YAML", () => {
  const policy = (name: string, rule: string): string =>
    `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: ${name}, annotations: {peers: x}}
spec:
  podSelector: {matchLabels: &db {app: db}}
  ingress:
  - ${rule}
`;

  it.each([
    ["created", "POST", "application/yaml", ""],
    ["applied", "PATCH", "application/apply-patch+yaml", "?fieldManager=t"],
  ])("a merge key brings its peers when a policy is %s", async (name, method, type, query) => {
    const path = method === "POST" ? POLICIES : `${POLICIES}/${name}${query}`;
    const rule = "{<<: {from: [{podSelector: {matchLabels: *db}}]}, ports: [{port: 0120}]}";
    const answer = await send(method, path, type, policy(name, rule));
    expect([answer.code, answer.text]).toEqual([201, expect.any(String)]);
    const { spec } = await admin.get(NETWORK_POLICIES, { name, namespace: "default" });
    expect(spec).toMatchObject({
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: "db" } } }],
          ports: [{ port: 80 }],
        },
      ],
    });
  });

  it("a word for a boolean is a boolean, and no label", async () => {
    const answer = await send(
      "POST",
      MAPS,
      "application/yaml",
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: words, labels: {on: yes}}\n",
    );
    expect([answer.code, answer.text]).toEqual([400, expect.stringContaining("cannot unmarshal bool")]);
  });

  it.each([
    ["two documents", "a: 1\n---\nb: 2\n"],
    ["an unknown alias", "a: *b\n"],
    ["a tab", "a:\n\tb: 1\n"],
    ["half a list", "a: [1\n"],
    ["not a number", "a: .nan\n"],
    ["a text", "text"],
  ])("refused: %s", async (_why, tail) => {
    const body = tail !== "text" ? `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n${tail}` : tail;
    expect((await send("PUT", `${MAPS}/bad`, "application/yaml", body)).code).toBe(400);
  });

  it("bytes that are no UTF-8 are refused", async () => {
    const body = Buffer.concat([
      Buffer.from("kind: ConfigMap\nmetadata: {name: a"),
      Buffer.from([0xff, 0x7d]),
    ]);
    const headers = { ...AS_ADMIN, "content-type": "application/yaml" };
    expect((await api.raw({ method: "POST", path: MAPS, headers, body })).code).toBe(400);
  });
});

describe("keys that stand twice", () => {
  const FORMS = [
    [
      "YAML",
      "application/yaml",
      (name: string) => `kind: ConfigMap\nmetadata: {name: ${name}}\ndata:\n  k: a\n  k: b\n`,
      'yaml: unmarshal errors: line 5: key \\"k\\" already set in map',
    ],
    [
      "merged YAML",
      "application/yaml",
      (name: string) => `kind: ConfigMap\nmetadata: {name: ${name}}\ndata:\n  <<: {k: a}\n  k: b\n`,
      'yaml: unmarshal errors: line 5: key \\"k\\" already set in map',
    ],
    [
      "JSON",
      "application/json",
      (name: string) => `{"kind":"ConfigMap","metadata":{"name":"${name}"},"data":{"k":"a","\\u006b":"b"}}`,
      'duplicate field \\"data.k\\"',
    ],
  ] as const;

  it.each(FORMS)(
    "in %s are refused, told, or passed over as the client asks",
    async (form, type, body, words) => {
      const name = form.replace(" ", "-").toLowerCase();
      const create = (mode: string): Promise<RawAnswer> =>
        send("POST", `${MAPS}?fieldValidation=${mode}`, type, body(`${name}-${mode.toLowerCase()}`));
      const [strict, warned, ignored] = [
        await create("Strict"),
        await create("Warn"),
        await create("Ignore"),
      ];
      expect([strict.code, warned.code, ignored.code]).toEqual([400, 201, 201]);
      expect(strict.text).toContain(words);
      expect([warningsOf(warned), warningsOf(ignored)]).toEqual([expect.stringContaining(words), ""]);
      for (const made of [warned, ignored]) expect(JSON.parse(made.text).data).toEqual({ k: "b" });
    },
  );

  it.each(["ключ", "a\u007fb", "a\u0085b", "a\u2028b", "😀"])(
    "are told whatever they are called: %j",
    async (key) => {
      const data = `${JSON.stringify(key)}:"a"`;
      const metadata = '{"generateName":"called-"}';
      const body = `{"kind":"ConfigMap","metadata":${metadata},"data":{"k":"v"},${data},${data}}`;
      const answer = await send("POST", MAPS, "application/json", body);
      expect(answer.code).toBe(201);
      const told = Buffer.from(warningsOf(answer), "latin1").toString();
      expect(told).toContain(key.replace("\u007f", "?"));
    },
  );

  it("are told up to a limit, however many there are", async () => {
    const data = Array.from({ length: 10_000 }, (_, index) => `"k${index}":1`).join(",");
    const body = `{"kind":"ConfigMap","metadata":{"generateName":"many-"},${data}}`;
    const answer = await send("POST", MAPS, "application/json", body);
    expect([answer.code, warningsOf(answer).length < 8192]).toEqual([201, true]);
    expect(warningsOf(answer)).toContain("unknown field");
  });

  it("in a patch are refused as well", async () => {
    const [, type, body] = FORMS[0];
    expect((await send("POST", MAPS, type, body("twice-patched"))).code).toBe(201);
    const path = `${MAPS}/twice-patched?fieldValidation=Strict&fieldManager=t`;
    const codes = [
      await send("PATCH", path, "application/merge-patch+json", '{"data":{"k":"a","k":"b"}}'),
      await send("PATCH", `${path}&force=true`, "application/apply-patch+yaml", FORMS[0][2]("twice-patched")),
    ].map(({ code, text }) => [code, text]);
    expect(codes).toEqual([
      [400, expect.stringContaining("strict decoding error")],
      [400, expect.stringContaining("strict decoding error")],
    ]);
  });
});

describe("nesting", () => {
  const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
  const widget = (name: string, levels: number): string =>
    `{"apiVersion":"deep.dev/v1","kind":"Widget","metadata":{"name":"${name}"},"spec":${nested(levels)}}`;
  const WIDGETS = "/apis/deep.dev/v1/widgets";
  const schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const crd = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.deep.dev" },
    spec: {
      group: "deep.dev",
      scope: "Cluster",
      names: { plural: "widgets", singular: "widget", kind: "Widget" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
  const ready = send(
    "POST",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "application/json",
    JSON.stringify(crd),
  );

  it("what is accepted can be read and sent again, in every form", async () => {
    expect((await ready).code).toBe(201);
    const path = `${WIDGETS}/deep?fieldManager=t&force=true`;
    expect((await send("POST", WIDGETS, "application/json", widget("deep", 479))).code).toBe(201);
    const { text } = await api.raw({ path: `${WIDGETS}/deep`, headers: AS_ADMIN });
    const codes = [
      await send("PUT", path, "application/json", text),
      await send("PUT", path, "application/yaml", text.replace(/"resourceVersion":"\d+",/, "")),
      await send("PATCH", path, "application/apply-patch+yaml", widget("deep", 479)),
    ].map(({ code }) => code);
    expect(codes).toEqual([200, 200, 200]);
  });

  it("a number that is infinite is refused, for it would be kept as null", async () => {
    await ready;
    const text = widget("endless", 3).replace('{"a":1}', '{"a":1e999}');
    const answer = await send("POST", WIDGETS, "application/json", text);
    expect([answer.code, answer.text]).toEqual([400, expect.stringContaining("float64")]);
  });

  it.each([
    ["application/json", 480],
    ["application/json", 2000],
    ["application/json", 100_000],
    ["application/yaml", 480],
    ["application/yaml", 2000],
  ])("%s of %i levels is refused", async (type, levels) => {
    await ready;
    const answer = await send("POST", WIDGETS, type, widget("deeper", levels));
    expect([answer.code, answer.text]).toEqual([400, expect.stringContaining("nested deeper than")]);
  });

  it.each([
    ["application/merge-patch+json", `{"spec":${nested(480)}}`],
    [
      "application/json-patch+json",
      // Each puts a copy of the whole into its innermost place.
      JSON.stringify(
        Array.from({ length: 10 }, (_, power) => ({
          op: "copy",
          from: "/spec",
          path: `/spec${"/a".repeat(2 ** power)}`,
        })),
      ),
    ],
    ["application/apply-patch+yaml", widget("patched", 480)],
  ])("a %s that makes an object deeper is refused", async (type, body) => {
    await ready;
    await send("POST", WIDGETS, "application/json", widget("patched", 1));
    const answer = await send("PATCH", `${WIDGETS}/patched?fieldManager=t`, type, body);
    expect([answer.code, answer.text]).toEqual([400, expect.stringContaining("nested deeper than")]);
  });
});
