/** @module What every namespace has, and how one that is deleted is emptied. */
import type { NamespaceCondition } from "kubernetes-types/core/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { ConfigMap, Namespace, ServiceAccount } from "../client/kinds.ts";
import { CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS } from "../client/kinds.ts";
import { type KubeObject, type ResourceType, timeText } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import { isDeleting, isStatusOnly } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";
import { writeStatus } from "./status.ts";

const NAME = "namespace-controller";
const ACCOUNT = "default";
const AUTHORITY = "kube-root-ca.crt";
const DELETIONS = 32;
/** Pods take a while to end: so often it is looked whether something is left. */
const LOOK_AGAIN_MS = 250;

export interface NamespaceOptions {
  /** All that can be listed: what is in a namespace is deleted with it. */
  readonly resources: () => readonly ResourceType[];
  /** PEM of who signs the API server's certificate. */
  readonly authority: string;
}

/** Objects of one resource that are still in a namespace. */
interface Left {
  readonly type: ResourceType;
  readonly items: readonly KubeObject[];
}

export class NamespaceController implements Controller {
  readonly #client: Client;
  readonly #now: () => number;
  readonly #options: NamespaceOptions;
  readonly #namespaces: Informer<Namespace>;
  readonly #accounts: Informer<ServiceAccount>;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log, now }: Context, options: NamespaceOptions) {
    this.#client = client(NAME);
    this.#now = now;
    this.#options = options;
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS),
    });
    this.#namespaces = informers.of(NAMESPACES).on({
      changed: (namespace, before) => {
        // What is left is written while it is emptied: heard, it would end every pause at once.
        if (!isStatusOnly(namespace, before)) this.#queue.add(namespace.metadata.name);
      },
    });
    this.#accounts = informers.of(SERVICE_ACCOUNTS).on({
      deleted: ({ metadata }) => {
        if (metadata.name === ACCOUNT) this.#queue.add(metadata.namespace ?? "");
      },
    });
    const tell = ({ metadata }: ConfigMap): void => {
      if (metadata.name === AUTHORITY) this.#queue.add(metadata.namespace ?? "");
    };
    this.#configMaps = informers.of(CONFIG_MAPS).on({ changed: tell, deleted: tell });
  }

  async #look(name: string): Promise<void> {
    const namespace = this.#namespaces.byKey(name);
    if (!namespace) return;
    if (isDeleting(namespace)) await this.#empty(namespace);
    else await Promise.all([this.#seeToAccount(name), this.#seeToAuthority(name)]);
  }

  async #seeToAccount(namespace: string): Promise<void> {
    if (this.#accounts.get(namespace, ACCOUNT)) return;
    await this.#ensure(SERVICE_ACCOUNTS, {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: ACCOUNT, namespace },
    });
  }

  async #seeToAuthority(namespace: string): Promise<void> {
    const present = this.#configMaps.get(namespace, AUTHORITY);
    const data = { "ca.crt": this.#options.authority };
    if (!present) {
      const annotations = {
        "kubernetes.io/description":
          "The certificate authority of this cluster's API server, for clients that verify it.",
      };
      await this.#ensure(CONFIG_MAPS, {
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: AUTHORITY, namespace, annotations },
        data,
      });
    } else if (present.data?.["ca.crt"] !== data["ca.crt"])
      await this.#client.update(CONFIG_MAPS, { ...present, data });
  }

  async #ensure<T extends KubeObject>(type: ResourceType<T>, object: T): Promise<void> {
    try {
      await this.#client.create(type, object);
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
    }
  }

  async #empty(namespace: Namespace): Promise<void> {
    const { name } = namespace.metadata;
    if ((namespace.spec?.finalizers ?? []).length === 0) return;
    const left: Left[] = [];
    const types = this.#options.resources().filter(({ namespaced }) => namespaced);
    await concurrently(types, DELETIONS, async (type) => {
      const items = await this.#deleteAll(type, name);
      if (items.length > 0) left.push({ type, items });
    });
    if (left.length > 0) {
      this.#queue.addAfter(name, LOOK_AGAIN_MS);
      await this.#tellLeft(namespace, left);
      return;
    }
    try {
      await this.#client.update(
        NAMESPACES,
        { ...namespace, spec: { ...namespace.spec, finalizers: [] } },
        "finalize",
      );
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  async #tellLeft(namespace: Namespace, left: readonly Left[]): Promise<void> {
    const known = namespace.status?.conditions ?? [];
    const now = timeText(this.#now());
    const told = remainingConditions(left).map((condition): NamespaceCondition => {
      const before = known.find(({ type }) => type === condition.type);
      const isSame = before?.status === condition.status;
      return { ...condition, lastTransitionTime: (isSame && before.lastTransitionTime) || now };
    });
    const others = known.filter(({ type }) => !told.some((one) => one.type === type));
    await writeStatus(this.#client, NAMESPACES, namespace, {
      ...namespace.status,
      conditions: [...others, ...told],
    });
  }

  /** @returns what is left, because somebody has still to do something about it */
  async #deleteAll(type: ResourceType, namespace: string): Promise<readonly KubeObject[]> {
    const items = await this.#list(type, namespace);
    if (items.length === 0) return [];
    await concurrently(items, DELETIONS, async (item) => {
      if (isDeleting(item)) return;
      const { name, uid } = item.metadata;
      try {
        await this.#client.delete(
          type,
          { namespace, name },
          { propagationPolicy: "Background", ...(uid !== undefined && { uid }) },
        );
      } catch (error) {
        if (!isReason(error, "NotFound", "Conflict")) throw error;
      }
    });
    return this.#list(type, namespace);
  }

  /** What is served no more holds nothing. */
  async #list(type: ResourceType, namespace: string): Promise<readonly KubeObject[]> {
    try {
      return (await this.#client.list(type, { namespace })).items;
    } catch (error) {
      if (isReason(error, "NotFound", "MethodNotAllowed")) return [];
      throw error;
    }
  }

  stop(): void {
    this.#queue.stop();
  }
}

/** What a namespace waits for, in upstream's words (pkg/controller/namespace/deletion/status_condition_utils.go). */
function remainingConditions(left: readonly Left[]): Omit<NamespaceCondition, "lastTransitionTime">[] {
  const finalizers = new Map<string, number>();
  for (const { items } of left)
    for (const { metadata } of items)
      for (const one of metadata.finalizers ?? []) finalizers.set(one, (finalizers.get(one) ?? 0) + 1);
  const content = left.map(
    ({ type, items }) => `${type.plural}.${type.group} has ${items.length} resource instances`,
  );
  const held = [...finalizers].map(([name, count]) => `${name} in ${count} resource instances`);
  return [
    {
      type: "NamespaceContentRemaining",
      status: "True",
      reason: "SomeResourcesRemain",
      message: `Some resources are remaining: ${content.sort().join(", ")}`,
    },
    {
      type: "NamespaceFinalizersRemaining",
      status: held.length > 0 ? "True" : "False",
      reason: held.length > 0 ? "SomeFinalizersRemain" : "ContentHasNoFinalizers",
      message:
        held.length > 0
          ? `Some content in the namespace has finalizers remaining: ${held.sort().join(", ")}`
          : "All content-preserving finalizers finished",
    },
  ];
}
