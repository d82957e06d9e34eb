import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeProtobuf, ProtobufError } from "./decode.ts";

interface Recorded {
  /** Base64 of what kubectl 1.36 sends. */
  protobuf: string;
  /**
   * What kubectl 1.30 sends, as JSON, for the same command; without what is null or empty. By hand where 1.36 means another
   * thing: `job-from` without blockOwnerDeletion, `autoscale` in autoscaling/v2.
   */
  json: object;
}
const recorded: Record<string, Recorded> = JSON.parse(
  readFileSync(new URL("testdata/kubectl-bodies.json", import.meta.url), "utf8"),
);

/** What is empty on one side only says nothing on either. */
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, child]): [string, unknown] => [key, withoutEmpty(child)]);
  return Object.fromEntries(
    entries.filter(
      ([, child]) => !(typeof child === "object" && (!child || Object.keys(child).length === 0)),
    ),
  );
}

test.each(Object.entries(recorded))("kubectl's %s reads as its JSON did", (_name, { protobuf, json }) => {
  expect(withoutEmpty(decodeProtobuf(Buffer.from(protobuf, "base64")))).toEqual(json);
});

// A small encoder: just enough to say things that kubectl does not.
const varint = (value: number): number[] => {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
};
const int = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content,
];
const message = (field: number, ...parts: number[][]): number[] => bytes(field, parts.flat());
const text = (field: number, value: string): number[] => bytes(field, [...Buffer.from(value)]);
const body = (apiVersion: string, kind: string, ...parts: number[][]): Buffer =>
  Buffer.from([
    ...Buffer.from("k8s\0"),
    ...message(1, text(1, apiVersion), text(2, kind)),
    ...message(2, ...parts),
  ]);
const spec = (apiVersion: string, kind: string, ...parts: number[][]): unknown =>
  decodeProtobuf(body(apiVersion, kind, message(2, ...parts)))["spec"];

describe("zeros", () => {
  test("of pointers count: replicas, runAsUser, terminationGracePeriodSeconds", () => {
    expect(spec("apps/v1", "Deployment", int(1, 0))).toEqual({ replicas: 0 });
    expect(spec("v1", "Pod", int(4, 0), message(14, int(2, 0), int(3, 0)))).toEqual({
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsUser: 0, runAsNonRoot: false },
    });
  });

  test("of what is no pointer say nothing: hostNetwork, nodeName, metadata", () => {
    const pod = body(
      "v1",
      "Pod",
      message(1, text(1, "p"), text(2, "")),
      message(2, int(11, 0), text(10, "")),
      message(3),
    );
    expect(decodeProtobuf(pod)).toEqual({ apiVersion: "v1", kind: "Pod", metadata: { name: "p" } });
  });

  test("of what JSON always has stay: the name of a variable", () => {
    expect(spec("v1", "Pod", message(2, text(1, "c"), message(7, text(1, "A"), text(2, ""))))).toEqual({
      containers: [{ name: "c", env: [{ name: "A" }] }],
    });
    expect(spec("v1", "Pod", message(2, text(1, "")))).toEqual({ containers: [{ name: "" }] });
  });
});

describe("network policies", () => {
  const policy = (...parts: number[][]) => spec("networking.k8s.io/v1", "NetworkPolicy", ...parts);

  test("an empty pod selector stays: it selects all pods", () => {
    expect(policy(message(1))).toEqual({ podSelector: {} });
  });

  test("in peers, an empty selector is another thing than none", () => {
    const rules = message(2, message(2, message(1)), message(2, message(2)), message(2));
    expect(policy(message(1), rules)).toEqual({
      podSelector: {},
      ingress: [{ from: [{ podSelector: {} }, { namespaceSelector: {} }, {}] }],
    });
  });

  test("an empty rule stays: it allows everything", () => {
    expect(policy(message(1), message(3), text(4, "Egress"))).toEqual({
      podSelector: {},
      egress: [{}],
      policyTypes: ["Egress"],
    });
  });

  test("ports are numbers or names", () => {
    const port = (...parts: number[][]) => message(1, text(1, "TCP"), message(2, ...parts));
    const rule = message(
      2,
      port(int(1, 0), int(2, 80), text(3, "")),
      port(int(1, 1), int(2, 0), text(3, "http")),
      message(1, text(1, "UDP"), message(2, int(1, 0), int(2, 1)), int(3, 9)),
    );
    expect(policy(message(1), rule)).toMatchObject({
      ingress: [
        {
          ports: [
            { protocol: "TCP", port: 80 },
            { protocol: "TCP", port: "http" },
            { protocol: "UDP", port: 1, endPort: 9 },
          ],
        },
      ],
    });
  });
});

describe("forms of values", () => {
  test("bytes are base64", () => {
    const secret = body("v1", "Secret", message(2, text(1, "key"), bytes(2, [0, 255, 1])), text(3, "Opaque"));
    expect(decodeProtobuf(secret)).toMatchObject({ data: { key: "AP8B" }, type: "Opaque" });
  });

  test("quantities are text", () => {
    const limits = message(1, text(1, "cpu"), message(2, text(1, "500m")));
    expect(spec("v1", "Pod", message(2, text(1, "c"), message(8, limits)))).toEqual({
      containers: [{ name: "c", resources: { limits: { cpu: "500m" } } }],
    });
  });

  test("times are in seconds, micro times in microseconds", () => {
    const lease = message(2, text(1, "me"), message(3, int(1, 1767225600), int(2, 123456789)));
    const meta = message(1, message(8, int(1, 1767225600), int(2, 5)));
    expect(decodeProtobuf(body("coordination.k8s.io/v1", "Lease", meta, lease))).toMatchObject({
      metadata: { creationTimestamp: "2026-01-01T00:00:00Z" },
      spec: { holderIdentity: "me", acquireTime: "2026-01-01T00:00:00.123456Z" },
    });
  });

  test("negative numbers keep their sign", () => {
    const classes = body("scheduling.k8s.io/v1", "PriorityClass", int(2, -5));
    expect(decodeProtobuf(classes)).toMatchObject({ value: -5 });
  });

  test("large numbers keep their digits, as far as JSON has them", () => {
    expect(spec("v1", "Pod", int(5, 2 ** 40 + 1))).toEqual({ activeDeadlineSeconds: 2 ** 40 + 1 });
  });

  test("lists of numbers may be packed", () => {
    const context = (...parts: number[][]) => spec("v1", "Pod", message(14, ...parts));
    expect(context(int(4, 1), int(4, 300))).toEqual({ securityContext: { supplementalGroups: [1, 300] } });
    expect(context(bytes(4, [1, ...varint(300)]))).toEqual({
      securityContext: { supplementalGroups: [1, 300] },
    });
  });

  test("embedded messages of Go have their fields where JSON has them", () => {
    const volume = message(1, text(1, "v"), message(2, message(2, text(1, "Memory"))));
    const probe = message(10, message(1, message(2, text(1, "/"), message(2, int(1, 0), int(2, 80)))));
    expect(spec("v1", "Pod", volume, message(2, text(1, "c"), probe))).toEqual({
      volumes: [{ name: "v", emptyDir: { medium: "Memory" } }],
      containers: [{ name: "c", livenessProbe: { httpGet: { path: "/", port: 80 } } }],
    });
  });

  test("an empty volume stays", () => {
    expect(spec("v1", "Pod", message(1, text(1, "v"), message(2, message(2))))).toEqual({
      volumes: [{ name: "v", emptyDir: {} }],
    });
  });

  test("managed fields and data of any kind are JSON", () => {
    const entry = message(17, text(1, "m"), message(7, text(1, '{"f:a":{}}')));
    const revision = body(
      "apps/v1",
      "ControllerRevision",
      message(1, entry),
      message(2, text(1, '{"spec":{"a":1}}')),
    );
    expect(decodeProtobuf(revision)).toMatchObject({
      metadata: { managedFields: [{ manager: "m", fieldsV1: { "f:a": {} } }] },
      data: { spec: { a: 1 } },
    });
  });

  test("extra attributes of a user are lists", () => {
    const extra = message(5, text(1, "scopes"), message(2, text(1, "a"), text(1, "b")));
    expect(spec("authorization.k8s.io/v1", "SubjectAccessReview", text(3, "jane"), extra)).toEqual({
      user: "jane",
      extra: { scopes: ["a", "b"] },
    });
  });

  test("a key __proto__ becomes a key and no prototype", () => {
    const map = decodeProtobuf(body("v1", "ConfigMap", message(2, text(1, "__proto__"), text(2, "x"))));
    expect(Object.keys(map["data"] as object)).toEqual(["__proto__"]);
  });

  test("options may come under the name of any group", () => {
    expect(decodeProtobuf(body("apps/v1", "DeleteOptions", int(1, 0), text(4, "Background")))).toEqual({
      apiVersion: "apps/v1",
      kind: "DeleteOptions",
      gracePeriodSeconds: 0,
      propagationPolicy: "Background",
    });
  });

  test("fields that no table has are passed over", () => {
    const unknown = [...int(900, 1), ...text(901, "x"), ...varint(902 * 8 + 1), ...new Array(8).fill(1)];
    expect(spec("apps/v1", "Deployment", unknown, int(1, 2))).toEqual({ replicas: 2 });
  });
});

describe("bad bodies", () => {
  test.each([
    ["JSON", Buffer.from('{"kind":"Pod"}'), /does not appear to be a protobuf message/],
    ["nothing", Buffer.alloc(0), /does not appear/],
    ["an unknown kind", body("v1", "Gadget"), /no kind "Gadget" is registered for version "v1"/],
    ["a beta version", body("apps/v1beta1", "Deployment"), /no kind "Deployment"/],
    ["half a message", body("v1", "ConfigMap").subarray(0, -1), /unexpected EOF/],
    ["a length beyond the end", body("v1", "ConfigMap", [10, 200, 1]), /unexpected EOF/],
    ["an endless number", body("v1", "Pod", [10, ...new Array(11).fill(255)]), /overflow/],
    ["a group", body("v1", "Pod", [11]), /illegal wireType 3/],
    ["a number where text belongs", body("v1", "ConfigMap", message(1, int(1, 5))), /wrong wireType/],
    [
      "text where a number belongs",
      body("apps/v1", "Deployment", message(2, text(1, "x"))),
      /wrong wireType/,
    ],
    ["field zero", body("v1", "Pod", [2, 0]), /illegal tag/],
    ["no JSON in a revision", body("apps/v1", "ControllerRevision", message(2, text(1, "{"))), /no JSON/],
    ["a time beyond all calendars", body("v1", "Pod", message(1, message(8, int(1, 2 ** 52)))), /no time/],
  ])("%s is refused", (_why, bad, why) => {
    expect(() => decodeProtobuf(bad)).toThrow(why);
    expect(() => decodeProtobuf(bad)).toThrow(ProtobufError);
  });

  test("bodies with random bytes are read or refused, never more", () => {
    let state = 7;
    const random = () => {
      state = (state * 48271) % 2147483647;
      return state & 255;
    };
    for (let round = 0; round < 2000; round += 1) {
      const noise = Array.from({ length: random() }, random);
      try {
        decodeProtobuf(body("v1", "Pod", noise));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtobufError);
      }
    }
  });
});
