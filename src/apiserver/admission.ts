/** @module What is seen to on every write beyond the object's own kind: its namespace, what it is given, its addresses. */
import type { Store } from "../store/store.ts";
import { stringAt } from "./json.ts";
import { invalid } from "./metadata.ts";
import { PodAdmission } from "./pod-admission.ts";
import type { Draft, ServedResource } from "./served.ts";
import { ServiceAdmission, type ServiceNetworks } from "./service-admission.ts";
import { errors } from "./status-error.ts";
import type { Admission, Admitted, Caller } from "./storage.ts";

const NOTHING_TAKEN: Admitted = { written: () => Promise.resolve(), undone: () => Promise.resolve() };

function isPod({ group, kind }: ServedResource): boolean {
  return group === "" && kind === "Pod";
}

function isPriorityClass({ group, kind }: ServedResource): boolean {
  return group === "scheduling.k8s.io" && kind === "PriorityClass";
}

function isService({ group, kind }: ServedResource): boolean {
  return group === "" && kind === "Service";
}

export interface AdmissionOptions extends ServiceNetworks {
  /** Whether the API serves a resource itself, in any version. */
  readonly isBuiltIn: (group: string, plural: string) => boolean;
}

export class ClusterAdmission implements Admission {
  readonly #store: Store;
  readonly #pods: PodAdmission;
  readonly #services: ServiceAdmission;
  readonly #isBuiltIn: AdmissionOptions["isBuiltIn"];

  constructor(options: AdmissionOptions) {
    this.#store = options.store;
    this.#isBuiltIn = options.isBuiltIn;
    this.#pods = new PodAdmission(options.store);
    this.#services = new ServiceAdmission(options);
  }

  /** Follows what it would ask the store for on every write. */
  async start(): Promise<void> {
    await this.#pods.start();
  }

  close(): void {
    this.#pods.close();
  }

  async create(resource: ServedResource, object: Draft, caller: Caller): Promise<Admitted> {
    if (resource.namespaced) await this.#checkNamespace(resource, object);
    if (isPod(resource)) await this.#pods.create(resource, object);
    if (isPriorityClass(resource)) await this.#pods.checkPriorityClass(resource, object);
    if (resource.kind === "CustomResourceDefinition") this.#checkDefinition(resource, object);
    return isService(resource) ? this.#services.admit(resource, object, undefined, caller) : NOTHING_TAKEN;
  }

  async update(
    resource: ServedResource,
    object: Draft,
    before: Readonly<Draft>,
    caller: Caller,
  ): Promise<Admitted> {
    if (isPod(resource)) this.#pods.update(object, before);
    if (isPriorityClass(resource)) await this.#pods.checkPriorityClass(resource, object);
    return isService(resource) ? this.#services.admit(resource, object, before, caller) : NOTHING_TAKEN;
  }

  async release(resource: ServedResource, object: Readonly<Draft>): Promise<void> {
    if (isService(resource)) await this.#services.release(object);
  }

  /** Its objects would be those of the built-in resource. */
  #checkDefinition(resource: ServedResource, object: Draft): void {
    const plural = stringAt(object, "spec", "names", "plural") ?? "";
    if (!this.#isBuiltIn(stringAt(object, "spec", "group") ?? "", plural)) return;
    throw errors.invalid(resource, object.metadata.name, [
      invalid("spec.names.plural", plural, "is served by this API server itself"),
    ]);
  }

  async #checkNamespace(resource: ServedResource, object: Draft): Promise<void> {
    const namespace = object.metadata.namespace ?? "";
    const entry = await this.#store.get(`/registry/core/namespaces/${namespace}`);
    if (!entry) throw errors.notFound({ group: "", plural: "namespaces", kind: "Namespace" }, namespace);
    if (!entry.value.includes('"deletionTimestamp"')) return;
    if (stringAt(JSON.parse(entry.value), "metadata", "deletionTimestamp") === undefined) return;
    throw errors.forbidden(
      resource,
      object.metadata.name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    );
  }
}
