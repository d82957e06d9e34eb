/** @module What a pod is given on its way in: its service account, its priority, how long it stays on a node in trouble. */
import type { Store } from "../store/store.ts";
import { DefaultPriority, PRIORITY_CLASSES, type Priority, priorityOf } from "./default-priority.ts";
import { arrayAt, isObject, stringAt } from "./json.ts";
import { objectOf } from "./objects.ts";
import type { Draft, ServedResource } from "./served.ts";
import { errors } from "./status-error.ts";

const TOLERATED = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const TOLERATED_SECONDS = 300;

export class PodAdmission {
  readonly #store: Store;
  readonly #defaultPriority: DefaultPriority;

  constructor(store: Store) {
    this.#store = store;
    this.#defaultPriority = new DefaultPriority(store);
  }

  /** Without it each pod asks the store for what hardly ever changes. */
  async start(): Promise<void> {
    await this.#defaultPriority.start();
  }

  close(): void {
    this.#defaultPriority.close();
  }

  /** @throws StatusError 403 when what it names is not there */
  async create(resource: ServedResource, pod: Draft): Promise<void> {
    const spec = pod["spec"];
    if (!isObject(spec)) return;
    await this.#giveAccount(resource, pod, spec);
    await this.#givePriority(resource, pod, spec);
    tolerateTrouble(spec);
  }

  update(pod: Draft, before: Readonly<Draft>): void {
    const spec = pod["spec"];
    const old = before["spec"];
    if (!isObject(spec) || !isObject(old)) return;
    for (const name of ["priority", "preemptionPolicy"])
      if (old[name] !== undefined) spec[name] ??= old[name];
    tolerateTrouble(spec);
  }

  /** @throws StatusError 403 when there is a default already */
  async checkPriorityClass(resource: ServedResource, object: Draft): Promise<void> {
    if (object["globalDefault"] !== true) return;
    const known = await this.#defaultPriority.read();
    if (known.className === "" || known.className === object.metadata.name) return;
    throw errors.forbidden(
      resource,
      object.metadata.name,
      `PriorityClass ${known.className} is already marked as default. Only one default can exist`,
    );
  }

  /** As the ServiceAccount admission plugin, but for the token: the kubelet sees to that. */
  async #giveAccount(resource: ServedResource, pod: Draft, spec: Record<string, unknown>): Promise<void> {
    const name = stringAt(spec, "serviceAccountName") || stringAt(spec, "serviceAccount") || "default";
    spec["serviceAccountName"] = name;
    spec["serviceAccount"] = name;
    const { namespace = "" } = pod.metadata;
    // The controller makes the default account a moment after its namespace; nobody is to wait for it.
    if (name === "default") return;
    if (await this.#store.get(`/registry/core/serviceaccounts/${namespace}/${name}`)) return;
    throw errors.forbidden(
      resource,
      pod.metadata.name,
      `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`,
    );
  }

  /** As the Priority admission plugin. */
  async #givePriority(resource: ServedResource, pod: Draft, spec: Record<string, unknown>): Promise<void> {
    const refuse = (what: string, given: unknown, computed: unknown): never => {
      const words = `must not be provided in pod spec; priority admission controller computed ${String(computed)} from the given PriorityClass name`;
      throw errors.forbidden(resource, pod.metadata.name, `the ${what} (${String(given)}) ${words}`);
    };
    const named = stringAt(spec, "priorityClassName") || undefined;
    const priority = named === undefined ? await this.#defaultPriority.get() : await this.#priorityOf(named);
    if (!priority)
      throw errors.forbidden(
        resource,
        pod.metadata.name,
        `no PriorityClass with name ${String(named)} was found`,
      );
    const { className, value, preemption } = priority;
    if ((spec["priority"] ?? value) !== value) refuse("integer value of priority", spec["priority"], value);
    if ((spec["preemptionPolicy"] ?? preemption) !== preemption)
      refuse("string value of PreemptionPolicy", spec["preemptionPolicy"], preemption);
    if (className !== "") spec["priorityClassName"] = className;
    spec["priority"] = value;
    spec["preemptionPolicy"] = preemption;
  }

  async #priorityOf(name: string): Promise<Priority | undefined> {
    const entry = await this.#store.get(`${PRIORITY_CLASSES}${name}`);
    return entry && priorityOf(objectOf(entry));
  }
}

/** As the DefaultTolerationSeconds admission plugin. */
function tolerateTrouble(spec: Record<string, unknown>): void {
  const given = arrayAt(spec, "tolerations");
  const missing = TOLERATED.filter(
    (wanted) =>
      !given.some((one) => {
        const key = stringAt(one, "key") ?? "";
        const effect = stringAt(one, "effect") ?? "";
        return (key === wanted || key === "") && (effect === "NoExecute" || effect === "");
      }),
  );
  if (missing.length === 0) return;
  const added = missing.map((key) => ({
    key,
    operator: "Exists",
    effect: "NoExecute",
    tolerationSeconds: TOLERATED_SECONDS,
  }));
  spec["tolerations"] = [...given, ...added];
}
