/** @module The store that a cluster's settings name. */
import { OpError } from "../base/errors.ts";
import { parseEtcdAddress } from "../store/etcd-store.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { Store } from "../store/store.ts";
import type { Layout } from "./layout.ts";
import type { Settings } from "./settings.ts";

const ETCD = /^etcd(\+unix)?:/;

/**
 * What can be said before anything is started.
 * @throws OpError `input-invalid` for a store that there is not, or that a cluster cannot reach
 */
export function checkStore(store: string): void {
  if (store === "memory" || store === "disk") return;
  if (!ETCD.test(store)) {
    throw new OpError(
      `there is no store ${JSON.stringify(store)}; there are memory, disk, etcd://HOST:PORT[/prefix] and etcd+unix:///path/etcd.sock[/prefix]`,
      { code: "input-invalid", facts: { store } },
    );
  }
  parseEtcdAddress(store);
}

/** An etcd is on the machine's own network or is a socket of its users: the cluster has no way to it but {@link Layout.etcdSocket}. */
export function needsRelay(store: string): boolean {
  return ETCD.test(store);
}

/** @throws OpError as {@link checkStore} does, or when it does not open */
export async function openStore({ store }: Settings, layout: Layout): Promise<Store> {
  checkStore(store);
  if (store === "memory") return new MemoryStore();
  if (store === "disk") return (await import("../store/disk-store.ts")).DiskStore.open(layout.data);
  const { EtcdStore } = await import("../store/etcd-store.ts");
  return EtcdStore.open({
    ...parseEtcdAddress(store),
    endpoints: [{ socketPath: layout.etcdSocket }],
  });
}
