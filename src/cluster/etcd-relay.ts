/**
 * @module The way from a cluster to an etcd on the machine's own network or at a socket of its user: a process outside of the
 * namespaces that listens at a Unix socket of the cluster and connects to etcd. It ends with the machine.
 */
import { chmodSync, chownSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import path from "node:path";
import { parseEtcdAddress } from "../store/etcd-store.ts";
import type { Layout } from "./layout.ts";
import { machinePid } from "./take-down.ts";

const LOOK_MS = 1000;

/** @param machine - its process: when it is gone, so are we */
export function runEtcdRelay(layout: Layout, store: string, machine: number): void {
  const { etcdSocket } = layout;
  const endpoints = parseEtcdAddress(store).endpoints.map((one) =>
    "host" in one ? one : { path: one.socketPath },
  );
  let first = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => client.destroy());
    const attempt = (left: number): void => {
      const endpoint = endpoints[first % endpoints.length];
      if (!endpoint || left === 0) {
        client.destroy();
        return;
      }
      const upstream = connect({ ...endpoint, allowHalfOpen: true });
      const next = (): void => {
        first++;
        attempt(left - 1);
      };
      upstream.once("error", next);
      upstream.once("connect", () => {
        upstream.off("error", next);
        join(client, upstream);
      });
    };
    attempt(endpoints.length);
  });
  rmSync(etcdSocket, { force: true });
  server.listen(etcdSocket, () => {
    // Of whoever the cluster is: who has its folder has its socket.
    const { uid, gid } = statSync(path.dirname(etcdSocket));
    chownSync(etcdSocket, uid, gid);
    chmodSync(etcdSocket, 0o600);
  });
  setInterval(() => {
    if (machinePid(layout) !== machine) process.exit(0);
  }, LOOK_MS);
}

function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.on("close", () => to.destroy());
  }
}
