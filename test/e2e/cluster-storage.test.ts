/** @module What pods may keep on their node: over their limits they are evicted, in the kubelet's words. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clustersRun, TestCluster, until } from "../support/cluster.ts";

function pod(name: string, script: string, container: string, volume = "{}"): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sh, -c, "${script}; sleep 100000"], volumeMounts: [{name: data, mountPath: /data}], ${container}}]
  volumes: [{name: data, emptyDir: ${volume}}]
---`;
}

const LIMIT = 'resources: {limits: {ephemeral-storage: "2Mi"}}';

describe.runIf(clustersRun())("what pods keep", { timeout: 60_000 }, () => {
  const cluster = new TestCluster();
  beforeAll(async () => {
    await cluster.up();
    await cluster.apply(
      [
        pod("modest", "dd if=/dev/zero of=/data/x bs=1M count=1", "tty: false", "{sizeLimit: 4Mi}"),
        pod("large", "dd if=/dev/zero of=/data/x bs=1M count=8", "tty: false", "{sizeLimit: 4Mi}"),
        pod("layer", "dd if=/dev/zero of=/var/x bs=1M count=8", LIMIT),
        pod("talker", "i=0; while [ $i -lt 4000 ]; do echo $(seq 1 300); i=$((i+1)); done", LIMIT),
      ].join(""),
    );
  }, 60_000);
  afterAll(() => cluster.close(), 60_000);

  test.each([
    ["large", 'Usage of EmptyDir volume "data" exceeds the limit "4Mi". '],
    ["layer", 'Container c exceeded its local ephemeral storage limit "2Mi". '],
    ["talker", 'Container c exceeded its local ephemeral storage limit "2Mi". '],
  ])("%s is evicted, and says why", async (name, message) => {
    const status = await until(
      "it is Failed",
      async () => {
        const text = await cluster.ask("get", "pod", name, "-o", "json");
        const found = (JSON.parse(text) as { status: { phase: string; reason?: string; message?: string } })
          .status;
        return found.phase === "Failed" && found;
      },
      30_000,
    );
    expect([status.reason, status.message]).toEqual(["Evicted", message]);
    const events = await cluster.ask(
      "get",
      "events",
      "--field-selector",
      `involvedObject.name=${name},reason=Evicted`,
    );
    expect(events).toContain(message.trim());
  });

  test("a pod within its limits stays, and its node has no pressure", async () => {
    expect(await cluster.ask("get", "pod", "modest", "-o", "jsonpath={.status.phase}")).toBe("Running");
    const nodes = await cluster.ask(
      "get",
      "nodes",
      "-o",
      'jsonpath={.items[*].status.conditions[?(@.type=="DiskPressure")].status}',
    );
    expect(nodes).toBe("False False");
  });
});
