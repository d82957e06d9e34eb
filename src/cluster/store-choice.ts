/** @module The store that a cluster's settings name. */
import { OpError } from "../base/errors.ts";
import { MemoryStore } from "../store/memory-store.ts";
import type { Store } from "../store/store.ts";
import type { Settings } from "./settings.ts";

const ETCD = /^etcd(\+unix)?:/;

/**
 * What can be said before anything is started.
 * @throws OpError `input-invalid` for a store that there is not, or that a cluster cannot reach
 */
export function checkStore(store: string): void {
  if (store === "memory" || store === "disk" || store.startsWith("etcd+unix:")) return;
  if (ETCD.test(store)) {
    throw new OpError(
      `${store} cannot be reached: a cluster of tortie up has a network of its own, without this machine's. Put a Unix socket before etcd, with its own --listen-client-urls unix://... or: socat UNIX-LISTEN:/run/etcd.sock,fork TCP:HOST:2379; then use --store etcd+unix:///run/etcd.sock[/prefix]`,
      { code: "input-invalid", facts: { store } },
    );
  }
  throw new OpError(
    `there is no store ${JSON.stringify(store)}; there are memory, disk and etcd+unix:///path/etcd.sock[/prefix]`,
    { code: "input-invalid", facts: { store } },
  );
}

/** @param data - the folder of a store on disk. @throws OpError as {@link checkStore} does, or when it does not open */
export async function openStore({ store }: Settings, data: string): Promise<Store> {
  checkStore(store);
  if (store === "memory") return new MemoryStore();
  if (store === "disk") return (await import("../store/disk-store.ts")).DiskStore.open(data);
  const { EtcdStore, parseEtcdAddress } = await import("../store/etcd-store.ts");
  return EtcdStore.open(parseEtcdAddress(store));
}
