/** @module Endpoints, the older form of what is behind a Service: one object of the Service's name. */
import type { EndpointAddress, EndpointSubset } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { Endpoints, Service } from "../client/kinds.ts";
import { ENDPOINTS, PODS, SERVICES } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import { deleteThis } from "./delete-this.ts";
import { isEqual } from "./equal.ts";
import { PodFinder } from "./indexes.ts";
import { isDeleting, isStatusOnly } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { type EndpointGroup, endpointGroups, familiesOf, isHeadless } from "./service-endpoints.ts";
import { hasSelector, selectedPods, watchSelectedPods } from "./service-watch.ts";

const NAME = "endpoint-controller";
const MANAGED_BY = "endpoints.kubernetes.io/managed-by";
const HEADLESS = "service.kubernetes.io/headless";
const OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity";
const MAX_ADDRESSES = 1000;
const PACE_MS = 250;

export class EndpointsController implements Controller {
  readonly #client: Client;
  readonly #services: Informer<Service>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #finder: PodFinder;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log }: Context) {
    this.#client = client(NAME);
    this.#finder = new PodFinder(informers);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(SERVICES, ENDPOINTS, PODS),
      paceMs: PACE_MS,
    });
    this.#services = informers.of(SERVICES).on({
      changed: (service, before) => {
        if (!isStatusOnly(service, before) || !isEqual(service.spec, before?.spec))
          this.#queue.add(keyOf(service));
      },
      deleted: (service) => this.#queue.add(keyOf(service)),
    });
    this.#endpoints = informers.of(ENDPOINTS).on({
      changed: (endpoints) => this.#queue.soon(keyOf(endpoints)),
      deleted: (endpoints) => this.#queue.soon(keyOf(endpoints)),
    });
    watchSelectedPods(informers, (key) => this.#queue.soon(key));
  }

  async #look(key: string): Promise<void> {
    const service = this.#services.byKey(key);
    const present = this.#endpoints.byKey(key);
    if (!service || isDeleting(service)) {
      // What somebody else has made stays theirs.
      if (present?.metadata.labels?.[MANAGED_BY] === NAME) await deleteThis(this.#client, ENDPOINTS, present);
      return;
    }
    if (!hasSelector(service.spec)) return;
    const family = familiesOf(service)[0] ?? "IPv4";
    const pods = selectedPods(this.#finder, service);
    const { subsets, isCut } = subsetsOf(endpointGroups(service, pods, family, () => undefined));
    const labels = {
      ...service.metadata.labels,
      [MANAGED_BY]: NAME,
      ...(isHeadless(service) && { [HEADLESS]: "" }),
    };
    const { [OVER_CAPACITY]: _, ...others } = present?.metadata.annotations ?? {};
    const annotations = isCut ? { ...others, [OVER_CAPACITY]: "truncated" } : others;
    const isCurrent =
      present !== undefined &&
      isEqual(present.subsets ?? [], subsets) &&
      isEqual(present.metadata.labels ?? {}, labels) &&
      isEqual(present.metadata.annotations ?? {}, annotations);
    if (isCurrent) return;
    const { namespace, name } = service.metadata;
    const metadata = {
      ...(present?.metadata ?? { name, ...(namespace !== undefined && { namespace }) }),
      labels,
      annotations,
    };
    const endpoints: Endpoints = { apiVersion: "v1", kind: "Endpoints", metadata, subsets };
    if (present) await this.#client.update(ENDPOINTS, endpoints);
    else await this.#client.create(ENDPOINTS, endpoints);
  }

  stop(): void {
    this.#queue.stop();
  }
}

function subsetsOf(groups: readonly EndpointGroup[]): {
  readonly subsets: EndpointSubset[];
  readonly isCut: boolean;
} {
  let left = MAX_ADDRESSES;
  let isCut = false;
  const subsets = groups.map(({ ports, endpoints }): EndpointSubset => {
    isCut ||= endpoints.length > left;
    const taken = endpoints.slice(0, left);
    left -= taken.length;
    const addresses = (isWanted: boolean): EndpointAddress[] =>
      taken
        .filter(({ endpoint }) => (endpoint.conditions?.ready === true) === isWanted)
        // One that is ending is not on its way to be ready.
        .filter(({ pod }) => isWanted || !isDeleting(pod))
        .map(({ address, endpoint }) => ({
          ip: address,
          ...(endpoint.hostname !== undefined && { hostname: endpoint.hostname }),
          ...(endpoint.nodeName !== undefined && { nodeName: endpoint.nodeName }),
          ...(endpoint.targetRef && { targetRef: endpoint.targetRef }),
        }));
    const ready = addresses(true);
    const notReady = addresses(false);
    return {
      ...(ready.length > 0 && { addresses: ready }),
      ...(notReady.length > 0 && { notReadyAddresses: notReady }),
      ...(ports.length > 0 && {
        ports: ports.map((port) => ({
          ...(port.name && { name: port.name }),
          port: port.port ?? 0,
          protocol: port.protocol ?? "TCP",
          ...(port.appProtocol !== undefined && { appProtocol: port.appProtocol }),
        })),
      }),
    };
  });
  const isFilled = ({ addresses, notReadyAddresses }: EndpointSubset): boolean =>
    Boolean(addresses?.length || notReadyAddresses?.length);
  return { subsets: subsets.filter(isFilled), isCut };
}
