/** @module What every namespace has, and how one that is deleted is emptied. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { Informer } from "../client/informer.ts";
import type { ConfigMap, Namespace, ServiceAccount } from "../client/kinds.ts";
import { CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS } from "../client/kinds.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import { isDeleting } from "./owners.ts";
import { ControllerQueue } from "./queue.ts";

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

export class NamespaceController implements Controller {
  readonly #client: Client;
  readonly #options: NamespaceOptions;
  readonly #namespaces: Informer<Namespace>;
  readonly #accounts: Informer<ServiceAccount>;
  readonly #configMaps: Informer<ConfigMap>;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log }: Context, options: NamespaceOptions) {
    this.#client = client(NAME);
    this.#options = options;
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(NAMESPACES, SERVICE_ACCOUNTS, CONFIG_MAPS),
    });
    this.#namespaces = informers
      .of(NAMESPACES)
      .on({ changed: ({ metadata }) => this.#queue.add(metadata.name) });
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
    let left = 0;
    const types = this.#options.resources().filter(({ namespaced }) => namespaced);
    await concurrently(types, DELETIONS, async (type) => {
      left += await this.#deleteAll(type, name);
    });
    if (left > 0) {
      this.#queue.addAfter(name, LOOK_AGAIN_MS);
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

  /** @returns how many are left, because somebody has still to do something about them */
  async #deleteAll(type: ResourceType, namespace: string): Promise<number> {
    const items = await this.#list(type, namespace);
    if (items.length === 0) return 0;
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
    return (await this.#list(type, namespace)).length;
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
