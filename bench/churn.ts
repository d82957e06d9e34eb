/**
 * @module Memory under churn: Deployments of a hundred pods are scaled up and down for twenty minutes, or
 * TORTIE_CHURN_SECONDS of them, and all events are listed now and then. Told: what each process holds over time.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { DEPLOYMENTS, EVENTS, PODS } from "../src/client/kinds.ts";
import {
  countFrom,
  figuresOf,
  mebibytes,
  type OwnCluster,
  type ProcessFigures,
  withCluster,
} from "./own-cluster.ts";
import type { Print } from "./row.ts";

const NAMES = ["churn-a", "churn-b"];
const PODS_EACH = 50;
const LOOKS = 8;
const PATIENCE_MS = 60_000;

function deployment(name: string): never {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 0, containers: [{ name: "c", image: "nginx" }] },
      },
    },
  } as never;
}

async function scale({ client }: OwnCluster, replicas: number): Promise<void> {
  for (const name of NAMES)
    await client.patch(
      DEPLOYMENTS,
      { namespace: "default", name },
      { spec: { replicas } },
      { type: "merge" },
    );
  const deadline = Date.now() + PATIENCE_MS;
  const wanted = NAMES.length * replicas;
  for (;;) {
    const { items } = await client.list(PODS, { namespace: "default" });
    const running = items.filter(({ status }) => status?.phase === "Running").length;
    if (items.length === wanted && running === wanted) return;
    if (Date.now() > deadline)
      throw new Error(`${items.length} pods, ${running} of them running; wanted: ${wanted}`);
    await sleep(100);
  }
}

export async function run(print: Print): Promise<void> {
  const seconds = countFrom("TORTIE_CHURN_SECONDS", 1200);
  await withCluster(`churn-${process.pid}`, async (cluster) => {
    for (const name of NAMES) await cluster.client.create(DEPLOYMENTS, deployment(name));
    await scale(cluster, PODS_EACH);
    await scale(cluster, 0);
    const looks: (readonly ProcessFigures[])[] = [];
    let cycles = 0;
    let events = 0;
    const began = Date.now();
    for (let look = 0; look < LOOKS; look++) {
      const until = began + ((look + 1) * seconds * 1000) / LOOKS;
      do {
        await scale(cluster, PODS_EACH);
        await scale(cluster, 0);
        cycles++;
      } while (Date.now() < until);
      events = (await cluster.client.list(EVENTS)).items.length;
      looks.push(await figuresOf(cluster));
    }
    for (const { name } of looks[0] ?? []) {
      const over = looks.map((figures) => figures.find((one) => one.name === name)?.memoryBytes ?? 0);
      print({
        what: `memory of ${name} over ${seconds} s of churn, ${cycles} × ${NAMES.length * PODS_EACH} pods`,
        value: `${over.map(mebibytes).join(" ")} MiB`,
        aim: "flat",
      });
    }
    print({ what: "events at the end", value: `${events}`, aim: "≤ 10,000" });
  });
}
