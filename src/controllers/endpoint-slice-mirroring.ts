/**
 * @module EndpointSlices of Endpoints that somebody has written by hand, for a Service without a selector: who translates
 * Services reads slices only. Source: pkg/controller/endpointslicemirroring.
 */
import type { EndpointAddress, EndpointSubset } from "kubernetes-types/core/v1.js";
import { parseIp } from "../base/ip.ts";
import type { Client } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { EndpointSlice, Endpoints, Service } from "../client/kinds.ts";
import { ENDPOINT_SLICES, ENDPOINTS, SERVICES } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import { deleteThis } from "./delete-this.ts";
import { isEqual } from "./equal.ts";
import type { Index } from "./informers.ts";
import { isDeleting, isStatusOnly, ownedBy } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { hasSelector } from "./service-watch.ts";

const NAME = "endpointslicemirroring-controller";
const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
const MANAGER = "endpointslicemirroring-controller.k8s.io";
const SERVICE_NAME = "kubernetes.io/service-name";
const SKIP = "endpointslice.kubernetes.io/skip-mirror";
const LEADER = "control-plane.alpha.kubernetes.io/leader";
/** Of one subset, as upstream; and as many as a slice may have. */
const MAX_ADDRESSES = 1000;
const PACE_MS = 200;
const WRITES = 4;

export class EndpointSliceMirroring implements Controller {
  readonly #client: Client;
  readonly #services: Informer<Service>;
  readonly #endpoints: Informer<Endpoints>;
  readonly #mirrors: Index<EndpointSlice>;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log }: Context) {
    this.#client = client(NAME);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(SERVICES, ENDPOINTS, ENDPOINT_SLICES),
      paceMs: PACE_MS,
    });
    this.#mirrors = informers.index(ENDPOINT_SLICES, "mirrored", ({ metadata: { namespace, labels } }) => {
      const service = labels?.[SERVICE_NAME];
      return labels?.[MANAGED_BY] === MANAGER && service !== undefined ? [`${namespace}/${service}`] : [];
    });
    this.#services = informers.of(SERVICES).on({
      changed: (service, before) => {
        if (!isStatusOnly(service, before)) this.#queue.add(keyOf(service));
      },
      deleted: (service) => this.#queue.add(keyOf(service)),
    });
    this.#endpoints = informers.of(ENDPOINTS).on({
      changed: (endpoints) => this.#queue.soon(keyOf(endpoints)),
      deleted: (endpoints) => this.#queue.soon(keyOf(endpoints)),
    });
    const tell = ({ metadata: { namespace, labels } }: EndpointSlice): void => {
      if (labels?.[MANAGED_BY] === MANAGER) this.#queue.soon(`${namespace}/${labels[SERVICE_NAME]}`);
    };
    informers.of(ENDPOINT_SLICES).on({ changed: tell, deleted: tell });
  }

  async #look(key: string): Promise<void> {
    const service = this.#services.byKey(key);
    const endpoints = this.#endpoints.byKey(key);
    const wanted = service && endpoints && isMirrored(service, endpoints) ? slicesOf(endpoints) : [];
    const present = new Map(this.#mirrors.list(key).map((slice) => [slice.metadata.name, slice]));
    const writes = wanted.map((slice) => async (): Promise<void> => {
      const known = present.get(slice.metadata.name);
      present.delete(slice.metadata.name);
      if (!known) {
        await this.#client.create(ENDPOINT_SLICES, slice);
        return;
      }
      if (isSame(known, slice)) return;
      const { resourceVersion } = known.metadata;
      const metadata = { ...slice.metadata, ...(resourceVersion !== undefined && { resourceVersion }) };
      await this.#client.update(ENDPOINT_SLICES, { ...slice, metadata });
    });
    await concurrently(writes, WRITES, (write) => write());
    await concurrently([...present.values()], WRITES, async (slice) => {
      await deleteThis(this.#client, ENDPOINT_SLICES, slice);
    });
  }

  stop(): void {
    this.#queue.stop();
  }
}

function isMirrored(service: Service, { metadata }: Endpoints): boolean {
  return (
    !isDeleting(service) &&
    metadata.deletionTimestamp === undefined &&
    service.spec.type !== "ExternalName" &&
    !hasSelector(service.spec) &&
    metadata.labels?.[SKIP] !== "true" &&
    metadata.annotations?.[LEADER] === undefined
  );
}

function isSame(known: EndpointSlice, wanted: EndpointSlice): boolean {
  return (
    isEqual(known.endpoints, wanted.endpoints) &&
    isEqual(known.ports ?? [], wanted.ports ?? []) &&
    isEqual(known.metadata.labels ?? {}, wanted.metadata.labels ?? {})
  );
}

/** One for each subset and family, whose names say which: who writes them again finds them. */
function slicesOf(endpoints: Endpoints): EndpointSlice[] {
  const { namespace, name, labels } = endpoints.metadata;
  return (endpoints.subsets ?? []).flatMap((subset, place) =>
    ([4, 6] as const).flatMap((family): EndpointSlice[] => {
      const mirrored = endpointsOf(subset, family);
      if (mirrored.length === 0) return [];
      return [
        {
          apiVersion: "discovery.k8s.io/v1",
          kind: "EndpointSlice",
          metadata: {
            name: `${name}-mirror-${place}-ipv${family}`,
            ...(namespace !== undefined && { namespace }),
            labels: { ...labels, [SERVICE_NAME]: name, [MANAGED_BY]: MANAGER },
            ownerReferences: [ownedBy(endpoints, ENDPOINTS)],
          },
          addressType: `IPv${family}`,
          endpoints: mirrored,
          ports: (subset.ports ?? []).map(({ name: portName = "", port, protocol = "TCP", appProtocol }) => ({
            name: portName,
            port,
            protocol,
            ...(appProtocol !== undefined && { appProtocol }),
          })),
        },
      ];
    }),
  );
}

function endpointsOf(
  { addresses = [], notReadyAddresses = [] }: EndpointSubset,
  family: 4 | 6,
): EndpointSlice["endpoints"] {
  const made = (ready: boolean) => (address: EndpointAddress) => ({
    addresses: [address.ip],
    conditions: { ready },
    ...(address.hostname && { hostname: address.hostname }),
    ...(address.nodeName && { nodeName: address.nodeName }),
    ...(address.targetRef && { targetRef: address.targetRef }),
  });
  const ofFamily = (list: readonly EndpointAddress[]): EndpointAddress[] =>
    list.filter(({ ip }) => parseIp(ip)?.family === family);
  const all = [...ofFamily(addresses).map(made(true)), ...ofFamily(notReadyAddresses).map(made(false))];
  return all.slice(0, MAX_ADDRESSES);
}
