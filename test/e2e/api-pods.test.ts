/** @module The API server over HTTP: what a pod is given on its way in. */
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { controlPlaneForFile, refusalOf, startTestControlPlane } from "../support/control-plane.ts";

const { admin } = await controlPlaneForFile();

type Fields = Record<string, unknown>;
interface PodObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Fields;
  readonly spec: Fields & { tolerations?: Fields[] };
}

const CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses";
const PODS = "/api/v1/namespaces/default/pods";
const priorityClass = (name: string, value: number, more: Fields = {}) =>
  admin.raw("POST", CLASSES, {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name },
    value,
    ...more,
  }) as Promise<Fields>;
const pod = (name: string, spec: Fields = {}) =>
  admin.raw("POST", PODS, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: { containers: [{ name: "c", image: "nginx" }], ...spec },
  }) as Promise<PodObject>;

describe("priority", () => {
  test("the cluster's own classes are there from the start, and stay", async () => {
    const { items } = (await admin.raw("GET", CLASSES)) as {
      items: (Fields & { metadata: { name: string } })[];
    };
    expect(items.map(({ metadata, value }) => [metadata.name, value])).toEqual([
      ["system-cluster-critical", 2_000_000_000],
      ["system-node-critical", 2_000_001_000],
    ]);
    const error = await refusalOf(admin.raw("DELETE", `${CLASSES}/system-node-critical`));
    expect(error.message).toBe(
      'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted',
    );
  });

  test("what an earlier start made stays as it is", async () => {
    const store = new MemoryStore();
    const first = await startTestControlPlane(store);
    const before = await store.list("/registry/scheduling.k8s.io/");
    const again = await startTestControlPlane(store);
    expect((await store.list("/registry/scheduling.k8s.io/")).entries).toEqual(before.entries);
    await again.close();
    await first.close();
  });

  test("a pod has the priority of its class", async () => {
    await priorityClass("high", 1000, { preemptionPolicy: "Never" });
    expect((await pod("high", { priorityClassName: "high" })).spec).toMatchObject({
      priorityClassName: "high",
      priority: 1000,
      preemptionPolicy: "Never",
    });
    expect((await pod("critical", { priorityClassName: "system-node-critical" })).spec).toMatchObject({
      priority: 2_000_001_000,
      preemptionPolicy: "PreemptLowerPriority",
    });
  });

  test("one that names no class has none, until a class is the default", async () => {
    const { spec } = await pod("plain");
    expect(spec).toMatchObject({ priority: 0, preemptionPolicy: "PreemptLowerPriority" });
    expect(spec).not.toHaveProperty("priorityClassName");
    await priorityClass("usual", 7, { globalDefault: true });
    expect((await pod("usual")).spec).toMatchObject({ priorityClassName: "usual", priority: 7 });
    const error = await refusalOf(priorityClass("second", 8, { globalDefault: true }));
    expect([error.code, error.message]).toEqual([
      403,
      'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
    ]);
    await admin.raw("DELETE", `${CLASSES}/usual`);
    expect((await pod("plain-again")).spec).toMatchObject({ priority: 0 });
  });

  test.each([
    [{ priorityClassName: "nosuch" }, "no PriorityClass with name nosuch was found"],
    [
      { priority: 5 },
      "the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name",
    ],
    [
      { priorityClassName: "system-cluster-critical", preemptionPolicy: "Never" },
      "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name",
    ],
  ])("a pod with %j is refused", async (spec, words) => {
    const error = await refusalOf(pod("refused", spec));
    expect([error.code, error.message]).toEqual([403, `pods "refused" is forbidden: ${words}`]);
  });

  test("a pod that is replaced by one without a priority keeps it", async () => {
    const { metadata } = await pod("kept", { priorityClassName: "system-cluster-critical" });
    const like = (await pod("like-it")).spec;
    const { priority: _, preemptionPolicy: __, tolerations: ___, ...given } = like as Fields;
    const spec = { ...given, priorityClassName: "system-cluster-critical" };
    const body = { apiVersion: "v1", kind: "Pod", metadata, spec };
    const after = (await admin.raw("PUT", `${PODS}/kept`, body)) as PodObject;
    expect(after.spec).toMatchObject({ priority: 2_000_000_000, preemptionPolicy: "PreemptLowerPriority" });
    expect(after.spec.tolerations).toHaveLength(2);
  });

  test.each([
    [
      "system-mine",
      1,
      {},
      "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-mine is not a known system priority class",
    ],
    [
      "too-high",
      1_000_000_001,
      {},
      "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
    ],
    [
      "odd",
      1,
      { preemptionPolicy: "Sometimes" },
      'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
    ],
  ])("the class %s is refused", async (name, value, more, words) => {
    const error = await refusalOf(priorityClass(name, value, more));
    expect(error.message).toBe(`PriorityClass.scheduling.k8s.io "${name}" is invalid: ${words}`);
  });

  test("the value of a class is for ever", async () => {
    const made = await priorityClass("fixed", 5);
    expect(made["preemptionPolicy"]).toBe("PreemptLowerPriority");
    const error = await refusalOf(admin.raw("PUT", `${CLASSES}/fixed`, { ...made, value: 6 }));
    expect(error.message).toBe(
      'PriorityClass.scheduling.k8s.io "fixed" is invalid: value: Forbidden: may not be changed in an update.',
    );
    const policy = await refusalOf(
      admin.raw("PUT", `${CLASSES}/fixed`, { ...made, preemptionPolicy: "Never" }),
    );
    expect(policy.message).toBe(
      'PriorityClass.scheduling.k8s.io "fixed" is invalid: preemptionPolicy: Invalid value: "Never": field is immutable',
    );
  });
});

describe("tolerations", () => {
  const of = (key: string) => ({ key: `node.kubernetes.io/${key}`, operator: "Exists", effect: "NoExecute" });
  const DEFAULTS = ["not-ready", "unreachable"].map((key) => ({ ...of(key), tolerationSeconds: 300 }));

  test("a pod that says nothing stays five minutes on a node that is lost", async () => {
    expect((await pod("patient")).spec.tolerations).toEqual(DEFAULTS);
  });

  test.each([
    ["one of them", [of("not-ready")], [of("not-ready"), DEFAULTS[1]]],
    ["anything", [{ operator: "Exists" }], [{ operator: "Exists" }]],
    ["another taint", [{ key: "a", operator: "Exists" }], [{ key: "a", operator: "Exists" }, ...DEFAULTS]],
    [
      "the same as NoSchedule alone",
      [{ ...of("unreachable"), effect: "NoSchedule" }],
      [{ ...of("unreachable"), effect: "NoSchedule" }, ...DEFAULTS],
    ],
  ])("a pod that tolerates %s says what it says", async (what, given, expected) => {
    const { spec } = await pod(`says-${what.toLowerCase().replaceAll(" ", "-")}`, { tolerations: given });
    expect(spec.tolerations).toEqual(expected);
  });
});
