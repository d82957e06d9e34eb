/** @module What is seen to on every write beyond the object's own kind: its namespace, its service account, its addresses. */
import type { Store } from "../store/store.ts";
import { isObject, stringAt } from "./json.ts";
import { invalid } from "./metadata.ts";
import type { Draft, ServedResource } from "./served.ts";
import { ServiceAdmission, type ServiceNetworks } from "./service-admission.ts";
import { errors } from "./status-error.ts";
import type { Admission, Admitted, Caller } from "./storage.ts";

const NOTHING_TAKEN: Admitted = { written: () => Promise.resolve(), undone: () => Promise.resolve() };

function isService({ group, kind }: ServedResource): boolean {
  return group === "" && kind === "Service";
}

export interface AdmissionOptions extends ServiceNetworks {
  /** Whether the API serves a resource itself, in any version. */
  readonly isBuiltIn: (group: string, plural: string) => boolean;
}

export class ClusterAdmission implements Admission {
  readonly #store: Store;
  readonly #services: ServiceAdmission;
  readonly #isBuiltIn: AdmissionOptions["isBuiltIn"];

  constructor(options: AdmissionOptions) {
    this.#store = options.store;
    this.#isBuiltIn = options.isBuiltIn;
    this.#services = new ServiceAdmission(options);
  }

  async create(resource: ServedResource, object: Draft, caller: Caller): Promise<Admitted> {
    if (resource.namespaced) await this.#checkNamespace(resource, object);
    if (resource.group === "" && resource.kind === "Pod") await this.#admitPod(resource, object);
    if (resource.kind === "CustomResourceDefinition") this.#checkDefinition(resource, object);
    return isService(resource) ? this.#services.admit(resource, object, undefined, caller) : NOTHING_TAKEN;
  }

  async update(
    resource: ServedResource,
    object: Draft,
    before: Readonly<Draft>,
    caller: Caller,
  ): Promise<Admitted> {
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

  /** As the ServiceAccount admission plugin, but for the token: the kubelet sees to that. */
  async #admitPod(resource: ServedResource, object: Draft): Promise<void> {
    const spec = object["spec"];
    if (!isObject(spec)) return;
    const name = stringAt(spec, "serviceAccountName") || stringAt(spec, "serviceAccount") || "default";
    spec["serviceAccountName"] = name;
    spec["serviceAccount"] = name;
    const { namespace = "" } = object.metadata;
    // The controller makes the default account a moment after its namespace; nobody is to wait for it.
    if (name === "default") return;
    if (await this.#store.get(`/registry/core/serviceaccounts/${namespace}/${name}`)) return;
    throw errors.forbidden(
      resource,
      object.metadata.name,
      `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
    );
  }
}
