/**
 * @module Streams of a cluster against clients that keep to no rule: ten thousand sessions, or TORTIE_SESSIONS of them.
 * Told: whether every process lived, what it held of memory and open files after so many sessions.
 */
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { PODS, type Pod } from "../src/client/kinds.ts";
import { hostileSessions } from "../test/support/hostile-client.ts";
import { countFrom, figuresOf, mebibytes, withCluster } from "./own-cluster.ts";
import type { Print } from "./row.ts";

const POD = "victim";
const STEPS = 10;
/** Connections that nobody reads are asked after some seconds whether somebody is there. */
const QUIET_MS = 15_000;

const VICTIM = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: POD, namespace: "default" },
  spec: {
    containers: [
      {
        name: "c",
        image: "busybox",
        stdin: true,
        command: [
          "sh",
          "-c",
          "nc -lk -p 8080 -e 'cat /dev/zero' & httpd -p 8081; while sleep 0.01; do echo line; done",
        ],
      },
    ],
  },
};

export async function run(print: Print): Promise<void> {
  const count = countFrom("TORTIE_SESSIONS", 10_000);
  await withCluster(`streams-${process.pid}`, async (cluster) => {
    const { client, layout, token } = cluster;
    await client.create(PODS, VICTIM as unknown as Pod);
    for (let tries = 0; tries < 300; tries++) {
      const pod = await client.get<Pod>(PODS, { namespace: "default", name: POD });
      if (pod.status?.phase === "Running") break;
      await sleep(100);
    }
    const target = {
      connect: () => connect(layout.apiSocket),
      authorization: `Bearer ${token}`,
      pod: POD,
      port: 8080,
      webPort: 8081,
    };
    const step = Math.max(1, Math.ceil(count / STEPS));
    await hostileSessions(target, { from: 0, to: Math.min(count, 300) });
    await sleep(QUIET_MS);
    const before = await figuresOf(cluster);
    let refused = 0;
    const begin = performance.now();
    for (let from = 0; from < count; from += step) {
      const sessions = await hostileSessions(target, { from, to: Math.min(from + step, count) });
      refused += sessions.filter(({ answer }) => !/ [1-4]\d\d/.test(answer)).length;
    }
    const seconds = (performance.now() - begin) / 1000;
    await sleep(QUIET_MS);
    const after = await figuresOf(cluster);
    for (const one of before) {
      const now = after.find(({ name }) => name === one.name);
      const lives = now?.pid === one.pid && now.restarts === one.restarts;
      print({
        what: `${one.name} after ${count} sessions of hostile clients`,
        value: `${lives ? "alive" : "ENDED"}, ${mebibytes(one.memoryBytes)} → ${mebibytes(now?.memoryBytes ?? 0)} MiB, ${one.files} → ${now?.files ?? 0} files`,
        aim: "alive, flat, equal",
      });
    }
    print({
      what: "sessions a second; those that were not answered",
      value: `${(count / seconds).toFixed(0)}; ${refused}`,
      aim: "-",
    });
  });
}
