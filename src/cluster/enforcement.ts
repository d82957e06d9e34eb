/** @module Where policies are in force: what the agents of the nodes report, held against when each policy was written. */

import { policyKey } from "../agent/report.ts";
import type { Api } from "../apiserver/api.ts";
import { at, isObject, stringAt } from "../apiserver/json.ts";
import { objectOf } from "../apiserver/objects.ts";
import type { Draft } from "../apiserver/served.ts";
import { ownValue } from "../base/own.ts";
import type { Store, StoreEvent, Watch } from "../store/store.ts";

const REPORTS = "/registry/tortie.dev/nodenetworks/";
const NODES = "/registry/core/nodes/";
const POLICIES = [
  "/registry/networking.k8s.io/networkpolicies/",
  "/registry/policy.networking.k8s.io/",
  "/registry/projectcalico.org/",
];
/** Times of writes are kept for so many; of older ones it is only known that they are in force. */
const MEMORY = 10_000;

export class Enforcement {
  readonly #watches: Watch[] = [];
  /** By node: policy → version, and when the kernel had it. */
  readonly #reports = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #nodes = new Set<string>();
  /** When a revision was written, in milliseconds since 1970. */
  readonly #written = new Map<string, number>();

  async start(store: Store): Promise<void> {
    const revision = await store.revision();
    for (const { key, value } of (await store.list(NODES)).entries)
      if (value !== "") this.#nodes.add(key.slice(NODES.length));
    for (const entry of (await store.list(REPORTS)).entries) this.#report(objectOf(entry));
    const follow = (prefix: string, seen: (event: StoreEvent) => void): void => {
      this.#watches.push(
        store.watch(prefix, revision, { events: (events) => events.forEach(seen), failed: () => undefined }),
      );
    };
    follow(NODES, (event) => {
      if (event.type === "put") this.#nodes.add(event.entry.key.slice(NODES.length));
      else {
        this.#nodes.delete(event.key.slice(NODES.length));
        this.#reports.delete(event.key.slice(NODES.length));
      }
    });
    follow(REPORTS, (event) => {
      if (event.type === "put") this.#report(objectOf(event.entry));
    });
    for (const prefix of POLICIES) {
      follow(prefix, (event) => {
        if (event.type !== "put") return;
        this.#written.set(String(event.entry.modified), Date.now());
        if (this.#written.size > MEMORY) this.#written.delete(this.#written.keys().next().value ?? "");
      });
    }
  }

  #report(object: Readonly<Draft>): void {
    const policies = at(object, "status", "policies");
    this.#reports.set(object.metadata.name, isObject(policies) ? policies : {});
  }

  /** `2/2 nodes, 3 ms`; the time is until the last of them had it. */
  readonly describe = (api: Api, object: Readonly<Draft>): string => {
    const storage = api.storageOfKind(object.apiVersion, object.kind);
    if (!storage) return "";
    const { plural, group } = storage.resource;
    const { resourceVersion } = object.metadata;
    const key = policyKey({ plural, group }, object);
    let count = 0;
    let last = 0;
    for (const node of this.#nodes) {
      const report = ownValue(this.#reports.get(node), key);
      if (stringAt(report, "resourceVersion") !== resourceVersion) continue;
      count++;
      last = Math.max(last, Number(at(report, "at")));
    }
    const written = this.#written.get(resourceVersion ?? "");
    const isEverywhere = count === this.#nodes.size && count > 0;
    const time = isEverywhere && written !== undefined ? `, ${Math.max(0, last - written)} ms` : "";
    return `${count}/${this.#nodes.size} nodes${time}`;
  };

  close(): void {
    for (const watch of this.#watches) watch.close();
  }
}
