import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import { ApiError, type Client } from "../client/client.ts";
import type { Job, Pod } from "../client/kinds.ts";
import { JOBS, PODS } from "../client/kinds.ts";
import { failureAction } from "./job-failure-policy.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

function job(spec: object, restartPolicy = "Never"): Job {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { ...at },
    spec: { template: { spec: { ...template("web").spec, restartPolicy } }, ...spec },
  };
}

async function condition(type: string): Promise<{ reason?: string; message?: string } | undefined> {
  const { status } = await cluster.client.get(JOBS, at);
  return status?.conditions?.find((one) => one.type === type && one.status === "True");
}

/** Names of all pods that were ever there. */
function everyPod(): Set<string> {
  const names = new Set<string>();
  const watch = async (): Promise<void> => {
    const options = { signal: new AbortController().signal, resourceVersion: "0" };
    for await (const event of cluster.client.watch(PODS, options))
      if (event.type !== "BOOKMARK") names.add(event.object.metadata.name);
  };
  void watch();
  return names;
}

/** Its end and its exit code are told together, as a kubelet does. */
async function failWith(pod: Pod, exitCode: number): Promise<void> {
  const state = { terminated: { exitCode, reason: "Error", finishedAt: new Date().toISOString() } };
  const containerStatuses = [{ name: "main", image: "x", imageID: "", ready: false, restartCount: 0, state }];
  const patch = { status: { phase: "Failed", containerStatuses } };
  await cluster.client.patch(PODS, pod.metadata, patch, { type: "merge", subresource: "status" });
}

const running = async (): Promise<Pod[]> =>
  (await cluster.pods()).filter(
    ({ status, metadata }) => status?.phase === "Running" && metadata.deletionTimestamp === undefined,
  );

describe("a Job counts each pod once", () => {
  test("though those that have succeeded are deleted", async () => {
    cluster = await MemoryCluster.start();
    const names = everyPod();
    await cluster.client.create(JOBS, job({ completions: 4, parallelism: 1 }));
    for (let round = 1; round <= 3; round++) {
      const [pod] = await until(async () => {
        const pods = await running();
        return pods.length > 0 && pods;
      });
      if (pod) await cluster.tellFate(pod, "succeeded");
      await until(async () => (await cluster.client.get(JOBS, at)).status?.succeeded === round);
    }
    for (const pod of await cluster.pods())
      if (pod.status?.phase === "Succeeded") await cluster.client.delete(PODS, pod.metadata);
    const last = await until(async () => (await running())[0]);
    await cluster.tellFate(last, "succeeded");
    await until(() => condition("Complete"));
    expect((await cluster.client.get(JOBS, at)).status).toMatchObject({ succeeded: 4, failed: 0 });
    expect(names.size).toBe(4);
    expect(cluster.lines).toEqual([]);
  });

  test("though they are deleted the moment they have succeeded, and controllers come and go", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(JOBS, job({ completions: 2, parallelism: 2 }));
    const pods = await until(async () => {
      const found = await running();
      return found.length === 2 && found;
    });
    cluster.stopControllers();
    for (const pod of pods) {
      await cluster.tellFate(pod, "succeeded");
      await cluster.client.delete(PODS, pod.metadata);
    }
    await cluster.startControllers();
    await until(() => condition("Complete"));
    expect((await cluster.client.get(JOBS, at)).status).toMatchObject({ succeeded: 2, failed: 0 });
    await until(async () => (await cluster.pods()).length === 0);
  });

  test("and holds none when it is gone itself, whatever becomes of its pods", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(JOBS, job({}));
    await until(async () => (await running()).length === 1);
    expect((await cluster.pods())[0]?.metadata.finalizers).toEqual(["batch.kubernetes.io/job-tracking"]);
    await cluster.client.delete(JOBS, at, { propagationPolicy: "Orphan" });
    await until(async () => ((await cluster.pods())[0]?.metadata.finalizers ?? []).length === 0);
    expect(await running()).toHaveLength(1);
  });

  test("and lets one go at the second attempt, where others write it as fast", async () => {
    let conflicts = 0;
    const client = (name: string): Client => {
      const own = cluster.clientOf(name);
      const patch = own.patch.bind(own);
      own.patch = async (type, place, body, options) => {
        if (JSON.stringify(body).includes("$deleteFromPrimitiveList") && conflicts++ === 0)
          throw new ApiError("modified", { code: 409, reason: "Conflict" });
        return patch(type, place, body, options);
      };
      return own;
    };
    cluster = await MemoryCluster.start({ isBare: true, client });
    await cluster.startControllers();
    await cluster.client.create(JOBS, job({}));
    const pod = await until(async () => (await running())[0]);
    await cluster.client.delete(JOBS, at, { propagationPolicy: "Orphan" });
    await until(async () => ((await cluster.pods())[0]?.metadata.finalizers ?? []).length === 0);
    expect(conflicts).toBeGreaterThan(1);
    expect((await running())[0]?.metadata.uid).toBe(pod.metadata.uid);
  });

  test("and one that was deleted counts as failed; one that is withdrawn does not", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(JOBS, job({ parallelism: 2, completions: 2 }));
    await until(async () => (await running()).length === 2);
    await cluster.client.patch(JOBS, at, { spec: { suspend: true } }, { type: "merge" });
    await until(async () => (await cluster.pods()).length === 0);
    await cluster.client.patch(JOBS, at, { spec: { suspend: false } }, { type: "merge" });
    const [pod] = await until(async () => {
      const found = await running();
      return found.length === 2 && found;
    });
    expect((await cluster.client.get(JOBS, at)).status?.failed).toBe(0);
    await cluster.client.delete(PODS, pod?.metadata ?? at);
    await until(async () => (await cluster.client.get(JOBS, at)).status?.failed === 1);
    await until(async () => (await running()).length === 2);
  });
});

test("a Job whose containers are started again too often has failed, and makes no more pods", async () => {
  // Its pod takes its time to end, and is not active meanwhile.
  const fate = ({ metadata }: Pod): "ready" | "nothing" => (metadata.deletionTimestamp ? "nothing" : "ready");
  cluster = await MemoryCluster.start({ fate });
  const names = everyPod();
  await cluster.client.create(JOBS, job({ backoffLimit: 2 }, "OnFailure"));
  const [pod] = await until(async () => {
    const found = await running();
    return found.length === 1 && found;
  });
  const containerStatuses = [{ name: "main", image: "x", imageID: "", ready: false, restartCount: 3 }];
  const patch = { status: { containerStatuses } };
  await cluster.client.patch(PODS, pod?.metadata ?? at, patch, { type: "merge", subresource: "status" });
  await until(() => condition("FailureTarget"));
  await until(async () => (await running()).length === 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await cluster.client.delete(PODS, pod?.metadata ?? at, { gracePeriodSeconds: 0 });
  expect(await until(() => condition("Failed"))).toMatchObject({ reason: "BackoffLimitExceeded" });
  expect(names.size).toBe(1);
});

describe("a pod failure policy", () => {
  const rules = [
    { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
    { action: "FailJob", onExitCodes: { containerName: "main", operator: "In", values: [42] } },
    { action: "FailIndex", onExitCodes: { operator: "NotIn", values: [1, 2, 42] } },
    { action: "Count", onExitCodes: { operator: "In", values: [1] } },
  ];
  test.each([
    // why, exit codes by container, condition, what follows
    ["the first rule that matches decides", { main: 42 }, "DisruptionTarget", { kind: "ignore" }],
    [
      "a container's exit code",
      { main: 42 },
      "",
      {
        kind: "fail-job",
        message: "Container main for pod default/p failed with exit code 42 matching FailJob rule at index 1",
      },
    ],
    ["another container's does not count", { side: 42 }, "", { kind: "count" }],
    ["all but some", { main: 7 }, "", { kind: "fail-index" }],
    ["0 is no failure", { main: 0 }, "", { kind: "count" }],
    ["counted as without a policy", { main: 1 }, "", { kind: "count" }],
  ] as const)("%s", (_why, exits, type, action) => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace: "default", name: "p" },
      spec: { containers: [] },
      status: {
        phase: "Failed",
        conditions: [{ type, status: "True" }],
        containerStatuses: Object.entries(exits).map(([name, exitCode]) => ({
          name,
          state: { terminated: { exitCode } },
        })),
      },
    } as unknown as Pod;
    expect(failureAction(job({ podFailurePolicy: { rules } }), pod)).toEqual(action);
  });

  test("ends the Job, or lets a failure pass", async () => {
    cluster = await MemoryCluster.start();
    const policy = {
      rules: [
        { action: "Ignore", onExitCodes: { operator: "In", values: [143] } },
        { action: "FailJob", onExitCodes: { operator: "In", values: [42] } },
      ],
    };
    await cluster.client.create(JOBS, job({ backoffLimit: 0, podFailurePolicy: policy }));
    const first = await until(async () => (await running())[0]);
    await failWith(first, 143);
    const second = await until(async () =>
      (await running()).find(({ metadata }) => metadata.uid !== first.metadata.uid),
    );
    expect((await cluster.client.get(JOBS, at)).status?.failed).toBe(0);
    await failWith(second, 42);
    expect(await until(() => condition("Failed"))).toMatchObject({ reason: "PodFailurePolicy" });
    expect((await cluster.client.get(JOBS, at)).status?.failed).toBe(1);
  });
});

describe("a backoff limit for each index", () => {
  const indexed = { completionMode: "Indexed", parallelism: 3, backoffLimit: 100 };
  const indexOf = ({ metadata }: Pod): string | undefined =>
    metadata.annotations?.["batch.kubernetes.io/job-completion-index"];

  test("fails an index alone, and the Job when all others are done", async () => {
    cluster = await MemoryCluster.start({ fate: (pod) => (indexOf(pod) === "1" ? "failed" : "succeeded") });
    const names = everyPod();
    await cluster.client.create(JOBS, job({ ...indexed, completions: 3, backoffLimitPerIndex: 1 }));
    expect(await until(() => condition("Failed"))).toMatchObject({ reason: "FailedIndexes" });
    const { status } = await cluster.client.get(JOBS, at);
    expect(status).toMatchObject({ completedIndexes: "0,2", failedIndexes: "1", succeeded: 2, failed: 2 });
    expect(names.size).toBe(4);
    const counts = (await cluster.pods())
      .filter((pod) => indexOf(pod) === "1")
      .map(({ metadata }) => metadata.annotations?.["batch.kubernetes.io/job-index-failure-count"]);
    expect(counts.sort()).toEqual(["0", "1"]);
  });

  test("ends the Job when too many indexes have failed", async () => {
    cluster = await MemoryCluster.start({
      fate: (pod) => (Number(indexOf(pod)) < 2 ? "failed" : "ready"),
    });
    await cluster.client.create(
      JOBS,
      job({ ...indexed, completions: 9, backoffLimitPerIndex: 0, maxFailedIndexes: 1 }),
    );
    expect(await until(() => condition("Failed"))).toMatchObject({ reason: "MaxFailedIndexesExceeded" });
  });
});
