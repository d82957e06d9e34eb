/** @module EndpointSlices of every Service that selects pods. */
import type { Client } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { EndpointSlice, Node, Service } from "../client/kinds.ts";
import { ENDPOINT_SLICES, NODES, PODS, SERVICES } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import { deleteThis } from "./delete-this.ts";
import { isEqual } from "./equal.ts";
import { PodFinder } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { isDeleting, isStatusOnly, ownedBy } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { type AddressType, endpointGroups, familiesOf, isHeadless } from "./service-endpoints.ts";
import { hasSelector, selectedPods, watchSelectedPods } from "./service-watch.ts";
import { planSlices } from "./slice-plan.ts";

const NAME = "endpointslice-controller";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslice-controller.k8s.io";
const SERVICE_NAME = "kubernetes.io/service-name";
const HEADLESS = "service.kubernetes.io/headless";
/** Five rewrites a second, however fast the pods change. */
const PACE_MS = 200;
/** How long the news of our own writes may take before we go on without them. */
const PATIENCE_MS = 5000;
const LOOK_AGAIN_MS = 20;
const WRITES = 16;

function serviceKey({ metadata }: EndpointSlice): string | undefined {
  const name = metadata.labels?.[SERVICE_NAME];
  return metadata.labels?.[MANAGED_BY] === MANAGER && name !== undefined
    ? `${metadata.namespace}/${name}`
    : undefined;
}

export class EndpointSliceController implements Controller {
  readonly #client: Client;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #nodes: Informer<Node>;
  readonly #byService: Index<EndpointSlice>;
  readonly #finder: PodFinder;
  readonly #queue: ControllerQueue;
  /** What was written and must be heard of before the next plan is made: names of slices by Service. */
  readonly #unheard = new Map<
    string,
    { readonly slices: Map<string, string | undefined>; readonly until: number }
  >();

  constructor({ informers, client, log }: Context) {
    this.#client = client(NAME);
    this.#finder = new PodFinder(informers);
    this.#byService = informers.index(ENDPOINT_SLICES, "service", (slice) => {
      const key = serviceKey(slice);
      return key === undefined ? [] : [key];
    });
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(SERVICES, ENDPOINT_SLICES, PODS, NODES),
      paceMs: PACE_MS,
    });
    this.#nodes = informers.of(NODES);
    this.#services = informers.of(SERVICES).on({
      changed: (service, before) => {
        if (!isStatusOnly(service, before) || !isEqual(service.spec, before?.spec))
          this.#queue.add(keyOf(service));
      },
      deleted: (service) => this.#queue.add(keyOf(service)),
    });
    // Our own writes come back here: a look that finds all in order writes nothing.
    this.#slices = informers.of(ENDPOINT_SLICES).on({
      changed: (slice) => this.#tell(slice),
      deleted: (slice) => this.#tell(slice),
    });
    watchSelectedPods(informers, (key) => this.#queue.soon(key));
  }

  #tell(slice: EndpointSlice): void {
    const key = serviceKey(slice);
    if (key !== undefined) this.#queue.soon(key);
  }

  #isHeard(key: string): boolean {
    const unheard = this.#unheard.get(key);
    if (!unheard) return true;
    const isAll = [...unheard.slices].every(([name, version]) => {
      const present = this.#slices.byKey(name);
      // Versions count up; a newer one than ours is news of ours, too.
      if (version === undefined) return !present;
      return present !== undefined && Number(present.metadata.resourceVersion) >= Number(version);
    });
    if (!isAll && Date.now() < unheard.until) return false;
    this.#unheard.delete(key);
    return true;
  }

  async #look(key: string): Promise<void> {
    if (!this.#isHeard(key)) {
      this.#queue.addAfter(key, LOOK_AGAIN_MS);
      return;
    }
    const service = this.#services.byKey(key);
    const slices = this.#byService.list(key).filter((slice) => !isDeleting(slice));
    // Those of a Service that is gone go with it.
    if (!service || isDeleting(service)) return;
    const heard = new Map<string, string | undefined>();
    this.#unheard.set(key, { slices: heard, until: Date.now() + PATIENCE_MS });
    if (!hasSelector(service.spec)) {
      await concurrently(slices, WRITES, (slice) => this.#delete(slice, heard));
      return;
    }
    const pods = selectedPods(this.#finder, service);
    const families = familiesOf(service);
    for (const family of families)
      await this.#write(
        service,
        family,
        slices.filter(({ addressType }) => addressType === family),
        pods,
        heard,
      );
    const others = slices.filter(({ addressType }) => !(families as string[]).includes(addressType));
    await concurrently(others, WRITES, (slice) => this.#delete(slice, heard));
  }

  async #write(
    service: Service,
    family: AddressType,
    slices: readonly EndpointSlice[],
    pods: ReturnType<typeof selectedPods>,
    heard: Map<string, string | undefined>,
  ): Promise<void> {
    const groups = endpointGroups(service, pods, family, (name) => this.#nodes.get(undefined, name)).map(
      ({ ports, endpoints }) => ({ ports, endpoints: endpoints.map(({ endpoint }) => endpoint) }),
    );
    const plan = planSlices(slices, groups);
    const labels = labelsOf(service);
    const untouched = slices.filter(
      (slice) =>
        !isEqual(slice.metadata.labels, labels) &&
        !plan.delete.includes(slice) &&
        !plan.update.some(({ metadata }) => metadata.uid === slice.metadata.uid),
    );
    const { namespace, name } = service.metadata;
    const writes: (() => Promise<void>)[] = [
      ...plan.create.map(({ ports, endpoints }) => async (): Promise<void> => {
        const made = await this.#client.create(ENDPOINT_SLICES, {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: {
            name: "",
            generateName: `${name}-`,
            ...(namespace !== undefined && { namespace }),
            labels,
            ownerReferences: [ownedBy(service, SERVICES)],
          },
          addressType: family,
          endpoints,
          ports: [...ports],
        });
        heard.set(keyOf(made), made.metadata.resourceVersion);
      }),
      ...[...plan.update, ...untouched].map((slice) => async (): Promise<void> => {
        const metadata = { ...slice.metadata, labels };
        const written = await this.#client.update(ENDPOINT_SLICES, { ...slice, metadata });
        heard.set(keyOf(written), written.metadata.resourceVersion);
      }),
      ...plan.delete.map((slice) => () => this.#delete(slice, heard)),
    ];
    await concurrently(writes, WRITES, (write) => write());
  }

  async #delete(slice: EndpointSlice, heard: Map<string, string | undefined>): Promise<void> {
    await deleteThis(this.#client, ENDPOINT_SLICES, slice);
    heard.set(keyOf(slice), undefined);
  }

  stop(): void {
    this.#queue.stop();
  }
}

function labelsOf(service: Service): Record<string, string> {
  return {
    ...service.metadata.labels,
    [SERVICE_NAME]: service.metadata.name,
    [MANAGED_BY]: MANAGER,
    ...(isHeadless(service) && { [HEADLESS]: "" }),
  };
}
