/** @module The API without HTTP: which resources there are, and their storages; custom resources come and go with their definitions. */

import { OpError } from "../base/errors.ts";
import type { Cidr } from "../base/ip.ts";
import type { Entry, Store, Watch } from "../store/store.ts";
import { ClusterAdmission } from "./admission.ts";
import { Allocation } from "./allocation.ts";
import { resourcesOf } from "./custom-resources.ts";
import { objectOf } from "./objects.ts";
import { CLUSTER, REVIEWS } from "./resources/cluster.ts";
import { CORE } from "./resources/core.ts";
import { CALICO, NETWORKING } from "./resources/networking.ts";
import { WORKLOADS } from "./resources/workloads.ts";
import type { ServedResource } from "./served.ts";
import type { StorageContext, TrackFields } from "./storage.ts";
import { Storage } from "./storage.ts";

export const BUILT_IN: readonly ServedResource[] = [
  ...CORE,
  ...WORKLOADS,
  ...NETWORKING,
  ...CALICO,
  ...CLUSTER,
  ...REVIEWS,
];

export interface ApiOptions {
  readonly store: Store;
  /** One a family; Services get addresses of them. */
  readonly serviceNetworks: readonly Cidr[];
  readonly trackFields: TrackFields;
  readonly now?: () => Date;
}

const CRD_PREFIX = "/registry/apiextensions.k8s.io/customresourcedefinitions/";
/** History that watches may go back to, in writes. */
const HISTORY = 10_000;
const COMPACTION_MS = 30_000;

export class Api {
  readonly store: Store;
  readonly now: () => Date;
  readonly addresses: Allocation;
  readonly #context: StorageContext;
  readonly #storages = new Map<string, Storage>();
  readonly #custom = new Map<string, readonly ServedResource[]>();
  #resources: readonly ServedResource[] = BUILT_IN;
  #watch: Watch | undefined;
  #compaction: NodeJS.Timeout | undefined;

  constructor({ store, serviceNetworks, trackFields, now }: ApiOptions) {
    this.store = store;
    this.now = now ?? (() => new Date());
    this.addresses = new Allocation(store, "clusterips");
    const admission = new ClusterAdmission({ store, serviceNetworks });
    this.#context = { store, admission, trackFields, now: this.now };
    for (const resource of BUILT_IN)
      this.#storages.set(keyOf(resource), new Storage(resource, this.#context));
  }

  /** Reads the custom resources that there are, and follows them. */
  async start(): Promise<void> {
    const { entries, revision } = await this.store.list(CRD_PREFIX);
    for (const entry of entries) this.#setCustom(entry);
    this.#watch = this.store.watch(CRD_PREFIX, revision, {
      events: (events) => {
        for (const event of events) {
          if (event.type === "put") this.#setCustom(event.entry);
          else this.#dropCustom(event.key);
        }
      },
      failed: (error) => {
        throw new OpError("the store does not tell of custom resources any more", {
          code: "api-unreachable",
          cause: error,
        });
      },
    });
    this.#compaction = setInterval(() => void this.#compact(), COMPACTION_MS);
    this.#compaction.unref();
  }

  async #compact(): Promise<void> {
    const revision = await this.store.revision();
    if (revision > HISTORY) await this.store.compact(revision - HISTORY);
  }

  /** In the order that discovery tells them. */
  get resources(): readonly ServedResource[] {
    return this.#resources;
  }

  /** @returns undefined when nothing of that name is served */
  storage(group: string, version: string, plural: string): Storage | undefined {
    return this.#storages.get(`${group}/${version}/${plural}`);
  }

  storageOfKind(apiVersion: string, kind: string): Storage | undefined {
    const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
    const found = this.#resources.find(
      (one) => one.group === group && one.version === version && one.kind === kind,
    );
    return found && this.#storages.get(keyOf(found));
  }

  #setCustom(entry: Entry): void {
    this.#dropCustom(entry.key);
    const resources = resourcesOf(objectOf(entry));
    this.#custom.set(entry.key, resources);
    for (const resource of resources) {
      // What is built in stays as it is, whatever a definition says.
      if (BUILT_IN.some((one) => keyOf(one) === keyOf(resource))) continue;
      this.#storages.set(keyOf(resource), new Storage(resource, this.#context));
    }
    this.#list();
  }

  #dropCustom(key: string): void {
    for (const resource of this.#custom.get(key) ?? []) {
      if (!BUILT_IN.some((one) => keyOf(one) === keyOf(resource))) this.#storages.delete(keyOf(resource));
    }
    this.#custom.delete(key);
    this.#list();
  }

  #list(): void {
    const builtIn = new Set(BUILT_IN.map(keyOf));
    const custom = [...this.#custom.values()].flat().filter((one) => !builtIn.has(keyOf(one)));
    this.#resources = [...BUILT_IN, ...custom];
  }

  close(): void {
    this.#watch?.close();
    clearInterval(this.#compaction);
  }
}

function keyOf({ group, version, plural }: ServedResource): string {
  return `${group}/${version}/${plural}`;
}
