/** @module What stands behind Services, found without looking at every pod for every Service. */
import { backendsOf, mapService, type ServiceMapping, type ServiceTarget } from "../policy/services.ts";
import type { ServiceBackend } from "../policy/translation.ts";
import type { EndpointSlice, Service } from "../resources/core/types.ts";
import { type KubernetesObject, objectName } from "../resources/object.ts";

/** Valid for one state of the cluster. Cost: its targets and slices once; then those of a Service's namespace a question. */
export class ServiceIndex {
  readonly #objects: ReadonlyMap<string, KubernetesObject>;
  readonly #targets = new Map<string, ServiceTarget[]>();
  /** By `namespace/name` of their Service. */
  readonly #slices = new Map<string, EndpointSlice[]>();

  /** @param objects - by name */
  constructor(objects: ReadonlyMap<string, KubernetesObject>, targets: Iterable<ServiceTarget>) {
    this.#objects = objects;
    for (const target of targets) append(this.#targets, target.namespace, target);
    for (const object of objects.values()) {
      if (object.kind === "EndpointSlice")
        append(this.#slices, `${object.namespace}/${object.serviceName}`, object);
    }
  }

  /** All that is behind a Service, ready or not. */
  backends(namespace: string, name: string): readonly ServiceBackend[] {
    const object = this.#objects.get(objectName({ kind: "Service", namespace, name }));
    const service = object?.kind === "Service" ? object : undefined;
    return backendsOf(
      { namespace, name },
      service,
      this.#targetsOf(namespace),
      this.#slicesOf(namespace, name),
    );
  }

  mappings(service: Service): ServiceMapping[] {
    const { namespace, name } = service;
    return mapService(service, this.#targetsOf(namespace), this.#slicesOf(namespace, name));
  }

  #targetsOf(namespace: string): readonly ServiceTarget[] {
    return this.#targets.get(namespace) ?? [];
  }

  #slicesOf(namespace: string, name: string): readonly EndpointSlice[] {
    return this.#slices.get(`${namespace}/${name}`) ?? [];
  }
}

function append<V>(map: Map<string, V[]>, key: string, value: V): void {
  const known = map.get(key);
  if (known) known.push(value);
  else map.set(key, [value]);
}
