import { afterEach, describe, expect, test } from "vitest";
import { MemoryCluster, template, until } from "../../test/support/memory-cluster.ts";
import type { CronJob, DaemonSet, Job, StatefulSet } from "../client/kinds.ts";
import { CRON_JOBS, DAEMON_SETS, EVENTS, JOBS, NODES, PODS, STATEFUL_SETS } from "../client/kinds.ts";
import { parseSchedule } from "../resources/cron.ts";
import { lastTime, nextTime } from "./cron-schedule.ts";
import { formatIndexes, parseIndexes } from "./job-pods.ts";

let cluster: MemoryCluster;
afterEach(() => cluster.stop());

const at = { namespace: "default", name: "web" };

async function names(): Promise<string> {
  return (await cluster.pods("app=web"))
    .map(({ metadata }) => metadata.name)
    .sort()
    .join();
}

describe("a StatefulSet", () => {
  function statefulSet(spec: object = {}): StatefulSet {
    return {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { ...at },
      spec: {
        replicas: 3,
        serviceName: "web",
        selector: { matchLabels: { app: "web" } },
        template: template("web"),
        ...spec,
      },
    };
  }

  test("makes its pods one after the other, and ends them from the last", async () => {
    let open = 0;
    cluster = await MemoryCluster.start({
      fate: ({ metadata }) => (Number(metadata.name.at(-1)) < open ? "ready" : "unready"),
    });
    await cluster.client.create(STATEFUL_SETS, statefulSet());
    for (const [count, expected] of [
      [1, "web-0"],
      [2, "web-0,web-1"],
      [3, "web-0,web-1,web-2"],
    ] as const) {
      await until(async () => (await names()) === expected);
      await new Promise((resolve) => setTimeout(resolve, 120));
      expect(await names()).toBe(expected);
      open = count;
      const pod = await cluster.client.get(PODS, { namespace: "default", name: `web-${count - 1}` });
      expect(pod.spec).toMatchObject({ hostname: `web-${count - 1}`, subdomain: "web" });
      expect(pod.metadata.labels).toMatchObject({
        "apps.kubernetes.io/pod-index": String(count - 1),
        "statefulset.kubernetes.io/pod-name": `web-${count - 1}`,
      });
      await cluster.tellFate(pod, "ready");
    }
    await until(async () => (await cluster.client.get(STATEFUL_SETS, at)).status?.readyReplicas === 3);
    await cluster.client.patch(STATEFUL_SETS, at, { spec: { replicas: 1 } }, { type: "merge" });
    await until(async () => (await names()) === "web-0");
  });

  test("rolls down to its partition, and no further", async () => {
    cluster = await MemoryCluster.start();
    const updateStrategy = { type: "RollingUpdate", rollingUpdate: { partition: 1 } };
    await cluster.client.create(
      STATEFUL_SETS,
      statefulSet({ podManagementPolicy: "Parallel", updateStrategy }),
    );
    await until(async () => (await cluster.client.get(STATEFUL_SETS, at)).status?.readyReplicas === 3);
    const first = (await cluster.client.get(STATEFUL_SETS, at)).status;
    expect(first?.currentRevision).toBe(first?.updateRevision);
    const containers = [{ name: "main", image: "nginx:2" }];
    await cluster.client.patch(
      STATEFUL_SETS,
      at,
      { spec: { template: { spec: { containers } } } },
      { type: "strategic" },
    );
    await until(async () => {
      const { status } = await cluster.client.get(STATEFUL_SETS, at);
      return status?.updatedReplicas === 2 && status.readyReplicas === 3;
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const images = (await cluster.pods("app=web")).map(({ spec }) => spec.containers[0]?.image);
    expect(images).toEqual(["nginx:1", "nginx:2", "nginx:2"]);
    await cluster.client.patch(
      STATEFUL_SETS,
      at,
      { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } },
      { type: "merge" },
    );
    await until(async () => {
      const { status } = await cluster.client.get(STATEFUL_SETS, at);
      return status?.currentRevision === status?.updateRevision && status?.currentReplicas === 3;
    });
    expect(cluster.lines).toEqual([]);
  });
});

describe("a DaemonSet", () => {
  const daemonSet: DaemonSet = {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { ...at },
    spec: { selector: { matchLabels: { app: "web" } }, template: template("web") },
  };
  async function places(): Promise<string> {
    return (await cluster.pods("app=web"))
      .map(({ spec }) => spec.nodeName)
      .sort()
      .join();
  }

  test("has a pod on every node that lets it, now and later", async () => {
    cluster = await MemoryCluster.start();
    await cluster.node("node3", { taints: [{ key: "gpu", effect: "NoSchedule" }] });
    await cluster.client.create(DAEMON_SETS, daemonSet);
    await until(async () => (await places()) === "node1,node2");
    await cluster.node("node4");
    await until(async () => (await places()) === "node1,node2,node4");
    const taints = [{ key: "out", effect: "NoExecute" }];
    await cluster.client.patch(NODES, { name: "node1" }, { spec: { taints } }, { type: "merge" });
    await until(async () => (await places()) === "node2,node4");
    await cluster.client.patch(
      NODES,
      { name: "node2" },
      { spec: { unschedulable: true } },
      { type: "merge" },
    );
    await cluster.client.patch(NODES, { name: "node3" }, { spec: { taints: null } }, { type: "merge" });
    await until(async () => (await places()) === "node2,node3,node4");
    await until(async () => {
      const { status } = await cluster.client.get(DAEMON_SETS, at);
      return status?.desiredNumberScheduled === 3 && status.numberAvailable === 3;
    });
    expect(cluster.lines).toEqual([]);
  });

  test("changes its pods node by node", async () => {
    cluster = await MemoryCluster.start({ machines: ["a", "b", "c"] });
    await cluster.client.create(DAEMON_SETS, daemonSet);
    await until(async () => (await cluster.client.get(DAEMON_SETS, at)).status?.numberAvailable === 3);
    const containers = [{ name: "main", image: "nginx:2" }];
    await cluster.client.patch(
      DAEMON_SETS,
      at,
      { spec: { template: { spec: { containers } } } },
      { type: "strategic" },
    );
    let fewest = 3;
    await until(async () => {
      const running = (await cluster.pods("app=web")).filter(({ status }) => status?.phase === "Running");
      fewest = Math.min(fewest, running.length);
      const { status, metadata } = await cluster.client.get(DAEMON_SETS, at);
      return (
        status?.observedGeneration === metadata.generation &&
        status?.updatedNumberScheduled === 3 &&
        status.numberAvailable === 3
      );
    });
    expect(fewest).toBe(2);
    expect(await places()).toBe("a,b,c");
  });
});

describe("a Job", () => {
  function job(spec: object): Job {
    return {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: { ...at },
      spec: {
        template: { spec: { ...template("web").spec, restartPolicy: "Never" } },
        ...spec,
      },
    };
  }
  async function condition(type: string): Promise<{ reason?: string } | undefined> {
    const { status } = await cluster.client.get(JOBS, at);
    return status?.conditions?.find((one) => one.type === type && one.status === "True");
  }

  test("is complete when enough pods have succeeded, a few at a time", async () => {
    cluster = await MemoryCluster.start({ fate: () => "succeeded" });
    await cluster.client.create(JOBS, job({ completions: 5, parallelism: 2, ttlSecondsAfterFinished: 2 }));
    await until(() => condition("Complete"));
    const { status } = await cluster.client.get(JOBS, at);
    expect(status).toMatchObject({ succeeded: 5, failed: 0, active: 0 });
    expect(status?.completionTime).toBeDefined();
    const pods = await cluster.pods("batch.kubernetes.io/job-name=web");
    expect(pods).toHaveLength(5);
    await until(async () => (await cluster.client.list(JOBS, {})).items.length === 0);
    await until(async () => (await cluster.pods()).length === 0);
    expect(cluster.lines).toEqual([]);
  });

  test("runs each index until it has succeeded", async () => {
    let first: string | undefined;
    cluster = await MemoryCluster.start({
      fate: ({ metadata }) => {
        if (metadata.annotations?.["batch.kubernetes.io/job-completion-index"] === "1")
          first ??= metadata.name;
        return metadata.name === first ? "failed" : "succeeded";
      },
    });
    await cluster.client.create(JOBS, job({ completions: 3, parallelism: 3, completionMode: "Indexed" }));
    await until(() => condition("Complete"));
    const { status } = await cluster.client.get(JOBS, at);
    expect(status).toMatchObject({ succeeded: 3, failed: 1, completedIndexes: "0-2" });
    const [pod] = await cluster.pods();
    expect(pod?.metadata.name).toMatch(/^web-[0-2]-[a-z0-9]{5}$/);
  });

  test("has failed when too many pods have, and when its time is over", async () => {
    cluster = await MemoryCluster.start({ fate: () => "failed" });
    await cluster.client.create(JOBS, job({ backoffLimit: 1 }));
    expect(await until(() => condition("Failed"))).toMatchObject({ reason: "BackoffLimitExceeded" });
    expect(await cluster.pods()).toHaveLength(2);
    cluster.stop();
    cluster = await MemoryCluster.start();
    await cluster.client.create(JOBS, job({ activeDeadlineSeconds: 1 }));
    expect(await until(() => condition("Failed"))).toMatchObject({ reason: "DeadlineExceeded" });
    await until(async () => (await cluster.pods()).length === 0);
  });

  test("that is suspended has no pods until it is resumed", async () => {
    cluster = await MemoryCluster.start();
    await cluster.client.create(JOBS, job({ suspend: true }));
    await until(() => condition("Suspended"));
    expect(await cluster.pods()).toEqual([]);
    await cluster.client.patch(JOBS, at, { spec: { suspend: false } }, { type: "merge" });
    await until(async () => (await cluster.pods()).length === 1);
  });
});

test("indexes are written as ranges", () => {
  expect(formatIndexes(new Set([4, 0, 2, 3, 7, 8]))).toBe("0,2-4,7,8");
  expect([...parseIndexes("0,2-4")]).toEqual([0, 2, 3, 4]);
});

describe("cron's schedules", () => {
  test.each([
    // why, schedule, after, next, zone
    ["every minute", "* * * * *", "2026-03-01T10:00:30Z", "2026-03-01T10:01:00Z", "UTC"],
    ["never the same minute again", "0 10 * * *", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z", "UTC"],
    ["steps", "*/15 * * * *", "2026-03-01T10:16:00Z", "2026-03-01T10:30:00Z", "UTC"],
    ["a start with a step", "5/20 * * * *", "2026-03-01T10:26:00Z", "2026-03-01T10:45:00Z", "UTC"],
    ["ranges with steps", "0 8-18/5 * * *", "2026-03-01T13:30:00Z", "2026-03-01T18:00:00Z", "UTC"],
    ["names", "0 0 * feb MON-wed", "2026-03-01T00:00:00Z", "2027-02-01T00:00:00Z", "UTC"],
    ["either day", "0 0 13 * fri", "2026-03-01T00:00:00Z", "2026-03-06T00:00:00Z", "UTC"],
    ["a leap day", "0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z", "UTC"],
    ["@hourly", "@hourly", "2026-03-01T10:16:00Z", "2026-03-01T11:00:00Z", "UTC"],
    ["@weekly is Sunday", "@weekly", "2026-03-03T10:16:00Z", "2026-03-08T00:00:00Z", "UTC"],
    ["another zone", "30 9 * * *", "2026-01-10T00:00:00Z", "2026-01-10T08:30:00Z", "Europe/Berlin"],
    ["summer time", "30 9 * * *", "2026-07-10T00:00:00Z", "2026-07-10T07:30:00Z", "Europe/Berlin"],
    ["skipped in spring", "30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z", "Europe/Berlin"],
    ["once in autumn", "30 2 * * *", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z", "Europe/Berlin"],
    ["half an hour's zone", "0 0 * * *", "2026-01-10T00:00:00Z", "2026-01-10T18:30:00Z", "Asia/Kolkata"],
  ] as const)("%s", (_why, text, after, next, zone) => {
    const schedule = parseSchedule(text);
    const time = schedule && nextTime(schedule, Date.parse(after), zone);
    expect(time === undefined ? undefined : new Date(time).toISOString()).toBe(next.replace("Z", ".000Z"));
  });

  test.each(["", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "5-1 * * * *", "a * * * *", "@never"])(
    "%j is none",
    (text) => {
      expect(parseSchedule(text)).toBeUndefined();
    },
  );

  test.each([
    // why, schedule, after, up to, last, zone
    [
      "this minute",
      "* * * * *",
      "2026-03-01T00:00:00Z",
      "2026-03-01T10:00:30Z",
      "2026-03-01T10:00:00Z",
      "UTC",
    ],
    [
      "days ago",
      "0 3 * * sat",
      "2026-02-28T00:00:00Z",
      "2026-03-02T09:00:00Z",
      "2026-02-28T03:00:00Z",
      "UTC",
    ],
    ["none since", "0 3 * * sat", "2026-02-28T03:00:00Z", "2026-03-02T09:00:00Z", undefined, "UTC"],
    [
      "years ago",
      "0 0 29 2 *",
      "2024-01-01T00:00:00Z",
      "2027-03-01T00:00:00Z",
      "2024-02-29T00:00:00Z",
      "UTC",
    ],
    [
      "another zone's day",
      "0 0 * * *",
      "2026-01-01T00:00:00Z",
      "2026-01-10T12:00:00Z",
      "2026-01-09T18:30:00Z",
      "Asia/Kolkata",
    ],
    [
      "skipped in spring",
      "30 2 * * *",
      "2026-03-01T00:00:00Z",
      "2026-03-29T12:00:00Z",
      "2026-03-28T01:30:00Z",
      "Europe/Berlin",
    ],
  ] as const)("last: %s", (_why, text, after, upTo, last, zone) => {
    const schedule = parseSchedule(text);
    const between = { after: Date.parse(after), upTo: Date.parse(upTo) };
    const time = schedule && lastTime(schedule, between, zone);
    expect(time === undefined ? undefined : new Date(time).toISOString()).toBe(last?.replace("Z", ".000Z"));
  });

  test("a date that never comes has no time", () => {
    const schedule = parseSchedule("0 0 31 2 *");
    expect(schedule && nextTime(schedule, Date.parse("2026-01-01T00:00:00Z"))).toBeUndefined();
  });
});

describe("a CronJob", () => {
  const start = Date.parse("2036-03-01T10:00:30Z");
  function cronJob(spec: object = {}): CronJob {
    return {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { ...at },
      spec: {
        schedule: "* * * * *",
        jobTemplate: { spec: { template: { spec: { ...template("web").spec, restartPolicy: "Never" } } } },
        ...spec,
      },
    };
  }
  async function touch(): Promise<void> {
    const patch = { metadata: { annotations: { touched: String(Math.random()) } } };
    await cluster.client.patch(CRON_JOBS, at, patch, { type: "merge" });
  }
  async function jobs(): Promise<string[]> {
    return (await cluster.client.list(JOBS, {})).items.map(({ metadata }) => metadata.name);
  }
  const jobAt = (time: number): string => `web-${Math.floor(time / 60_000)}`;

  test("makes a Job for each time that comes, and keeps as many as it is told to", async () => {
    let now = start;
    cluster = await MemoryCluster.start({ now: () => now, fate: () => "succeeded" });
    await cluster.client.create(CRON_JOBS, cronJob({ successfulJobsHistoryLimit: 1 }));
    await until(async () => (await jobs()).join() === jobAt(start));
    await until(
      async () => (await cluster.client.get(CRON_JOBS, at)).status?.lastSuccessfulTime !== undefined,
    );
    now += 60_000;
    await touch();
    await until(async () => (await jobs()).join() === jobAt(now));
    const { status } = await cluster.client.get(CRON_JOBS, at);
    expect(status?.lastScheduleTime).toBe("2036-03-01T10:01:00Z");
  });

  test("makes the last of the Jobs that it missed, however long ago, and warns when they were many", async () => {
    cluster = await MemoryCluster.start({ now: () => start });
    const cron = await cluster.client.create(CRON_JOBS, cronJob({ schedule: "0 3 * * sat", suspend: true }));
    const lastScheduleTime = "2036-02-16T03:00:00Z";
    await cluster.client.update(CRON_JOBS, { ...cron, status: { lastScheduleTime } }, "status");
    await cluster.client.patch(CRON_JOBS, at, { spec: { suspend: false } }, { type: "merge" });
    await until(async () => (await jobs()).join() === jobAt(Date.parse("2036-03-01T03:00:00Z")));
    expect((await cluster.client.list(EVENTS, {})).items.map(({ reason }) => reason)).not.toContain(
      "TooManyMissedTimes",
    );
    await cluster.client.patch(CRON_JOBS, at, { spec: { schedule: "* * * * *" } }, { type: "merge" });
    await until(async () => (await jobs()).includes(jobAt(start)));
    await until(async () =>
      (await cluster.client.list(EVENTS, {})).items.some(({ reason }) => reason === "TooManyMissedTimes"),
    );
  });

  test("that forbids waits for the one that runs; that replaces ends it; that is suspended does nothing", async () => {
    let now = start;
    cluster = await MemoryCluster.start({ now: () => now });
    await cluster.client.create(CRON_JOBS, cronJob({ concurrencyPolicy: "Forbid" }));
    await until(async () => (await jobs()).join() === jobAt(start));
    now += 60_000;
    await touch();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await jobs()).toEqual([jobAt(start)]);
    await cluster.client.patch(CRON_JOBS, at, { spec: { concurrencyPolicy: "Replace" } }, { type: "merge" });
    await until(async () => (await jobs()).join() === jobAt(now));
    await cluster.client.patch(CRON_JOBS, at, { spec: { suspend: true } }, { type: "merge" });
    now += 60_000;
    await touch();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await jobs()).toEqual([jobAt(now - 60_000)]);
    expect(cluster.lines).toEqual([]);
  });
});
