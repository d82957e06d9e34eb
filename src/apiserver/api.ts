/** @module The API without HTTP: which resources there are, and their storages; custom resources come and go with their definitions. */

import { OpError } from "../base/errors.ts";
import type { Cidr } from "../base/ip.ts";
import type { Entry, Store, Watch } from "../store/store.ts";
import { ClusterAdmission } from "./admission.ts";
import { Allocation } from "./allocation.ts";
import { CustomResourceCleanup } from "./custom-resource-cleanup.ts";
import { resourcesOf, storedResourceOf } from "./custom-resources.ts";
import { objectOf } from "./objects.ts";
import { CLUSTER, REVIEWS } from "./resources/cluster.ts";
import { CORE } from "./resources/core.ts";
import { EVENTS_V1 } from "./resources/events.ts";
import { CALICO, NETWORKING } from "./resources/networking.ts";
import { WORKLOADS } from "./resources/workloads.ts";
import type { ServedResource } from "./served.ts";
import type { StorageContext, TrackFields } from "./storage.ts";
import { Storage } from "./storage.ts";
import { ensurePriorityClasses } from "./system-objects.ts";

export const BUILT_IN: readonly ServedResource[] = [
  ...CORE,
  ...WORKLOADS,
  ...NETWORKING,
  ...CALICO,
  ...CLUSTER,
  ...REVIEWS,
  EVENTS_V1,
];

export interface ApiOptions {
  readonly store: Store;
  /** One a family; Services get addresses of them. */
  readonly serviceNetworks: readonly Cidr[];
  /** Where pods have their addresses: no Service takes one of those for its own. */
  readonly podNetworks?: readonly Cidr[];
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
  readonly #admission: ClusterAdmission;
  readonly #context: StorageContext;
  readonly #storages = new Map<string, Storage>();
  readonly #custom = new Map<string, readonly ServedResource[]>();
  readonly #cleanup: CustomResourceCleanup;
  #resources: readonly ServedResource[] = BUILT_IN;
  #watch: Watch | undefined;
  #compaction: NodeJS.Timeout | undefined;

  constructor({ store, serviceNetworks, podNetworks = [], trackFields, now }: ApiOptions) {
    this.store = store;
    this.now = now ?? (() => new Date());
    this.addresses = new Allocation(store, "clusterips");
    this.#admission = new ClusterAdmission({ store, serviceNetworks, podNetworks, isBuiltIn });
    this.#context = { store, admission: this.#admission, trackFields, now: this.now };
    for (const resource of BUILT_IN)
      this.#storages.set(keyOf(resource), new Storage(resource, this.#context));
    const definitions = this.storage("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    if (!definitions) throw new OpError("definitions are not served", { code: "api-refused" });
    this.#cleanup = new CustomResourceCleanup({
      definitions,
      storageOf: (definition) => {
        const resource = storedResourceOf(definition);
        return isBuiltIn(resource.group, resource.plural) ? undefined : new Storage(resource, this.#context);
      },
    });
  }

  /** Reads the custom resources that there are, and follows them; makes what is always there. */
  async start(): Promise<void> {
    await this.#admission.start();
    const classes = this.storage("scheduling.k8s.io", "v1", "priorityclasses");
    if (classes) await ensurePriorityClasses(classes);
    const { entries, revision } = await this.store.list(CRD_PREFIX);
    for (const entry of entries) this.#setCustom(entry);
    this.#watch = this.store.watch(CRD_PREFIX, revision, {
      events: (events) => {
        for (const event of events) {
          // One definition that cannot be read serves nothing; the others are followed all the same.
          try {
            if (event.type === "put") this.#setCustom(event.entry);
            else this.#dropCustom(event.key);
          } catch {
            this.#dropCustom(event.type === "put" ? event.entry.key : event.key);
          }
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
    const definition = objectOf(entry);
    // What is built in stays as it is, whatever a definition from before that was refused says.
    const resources = resourcesOf(definition).filter(({ group, plural }) => !isBuiltIn(group, plural));
    this.#custom.set(entry.key, resources);
    for (const resource of resources)
      this.#storages.set(keyOf(resource), new Storage(resource, this.#context));
    this.#list();
    this.#cleanup.see(definition);
  }

  #dropCustom(key: string): void {
    for (const resource of this.#custom.get(key) ?? []) this.#storages.delete(keyOf(resource));
    this.#custom.delete(key);
    this.#list();
  }

  #list(): void {
    this.#resources = [...BUILT_IN, ...[...this.#custom.values()].flat()];
  }

  close(): void {
    this.#cleanup.stop();
    this.#admission.close();
    this.#watch?.close();
    clearInterval(this.#compaction);
  }
}

const BUILT_IN_NAMES: ReadonlySet<string> = new Set(
  BUILT_IN.map(({ group, plural }) => `${plural}.${group}`),
);

/** In whichever version: objects are kept by group and name. */
function isBuiltIn(group: string, plural: string): boolean {
  return BUILT_IN_NAMES.has(`${plural}.${group}`) || group === "core";
}

function keyOf({ group, version, plural }: ServedResource): string {
  return `${group}/${version}/${plural}`;
}
