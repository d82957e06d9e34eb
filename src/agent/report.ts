/**
 * @module What an agent tells the cluster: which revision of which policy is in force on its node, since when. One
 * object a node (tortie.dev/v1alpha1 NodeNetwork); changes are told together, at most ten times a second.
 */
import { type Client, isReason } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import { keyOf } from "../client/objects.ts";

export interface NodeNetwork extends KubeObject {
  status?: {
    /** The latest version of each resource that is in force. */
    observedResourceVersion?: string;
    policies?: Record<string, PolicyInForce>;
    lastChangeMs?: number;
  };
}

export interface PolicyInForce {
  readonly resourceVersion: string;
  /** When the kernel had it, in milliseconds since 1970. */
  readonly at: number;
}

export const NODE_NETWORKS: ResourceType<NodeNetwork> = {
  group: "tortie.dev",
  version: "v1alpha1",
  kind: "NodeNetwork",
  plural: "nodenetworks",
  namespaced: false,
};

const PAUSE_MS = 100;

/** `networkpolicies.networking.k8s.io/default/db` */
export function policyKey(
  type: { readonly plural: string; readonly group: string },
  object: KubeObject,
): string {
  return `${type.plural}.${type.group}/${keyOf(object)}`;
}

export class Report {
  readonly #client: Client;
  readonly #node: string;
  readonly #log: (line: string) => void;
  /** Heard of, not in force yet. */
  readonly #waiting = new Map<string, { readonly resourceVersion: string; readonly heard: number } | null>();
  /** In force, not told yet. */
  #untold: Record<string, PolicyInForce | null> = {};
  #version = 0;
  #toldVersion = 0;
  #lastChangeMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTelling = false;
  /** The first report replaces what an agent before us may have left. */
  #isFirst = true;

  constructor(client: Client, node: string, log: (line: string) => void) {
    this.#client = client;
    this.#node = node;
    this.#log = log;
  }

  seen(_type: ResourceType, version: string): void {
    this.#version = Math.max(this.#version, Number(version) || 0);
  }

  policy(type: ResourceType, object: KubeObject): void {
    const resourceVersion = object.metadata.resourceVersion ?? "";
    this.#waiting.set(policyKey(type, object), { resourceVersion, heard: performance.now() });
  }

  policyGone(type: ResourceType, object: KubeObject): void {
    this.#waiting.set(policyKey(type, object), null);
  }

  /** All that was heard of is in the kernel now. */
  inForce(): void {
    const at = Date.now();
    for (const [key, heard] of this.#waiting) {
      this.#untold[key] = heard && { resourceVersion: heard.resourceVersion, at };
      if (heard) this.#lastChangeMs = Math.round((performance.now() - heard.heard) * 100) / 100;
    }
    const isNews = this.#waiting.size > 0 || this.#isFirst;
    this.#waiting.clear();
    if (isNews) this.#schedule();
  }

  #schedule(): void {
    if (this.#timer || this.#isTelling) return;
    // What came alone is told at once; what comes in crowds is told together.
    this.#timer = setTimeout(() => void this.#tell(), this.#isFirst ? 0 : PAUSE_MS / 10);
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    this.#isTelling = true;
    const policies = this.#untold;
    this.#untold = {};
    const version = this.#version;
    try {
      await this.#send(policies, version);
      this.#isFirst = false;
      this.#toldVersion = version;
    } catch (error) {
      this.#log(`cannot report: ${error instanceof Error ? error.message : String(error)}`);
      this.#untold = { ...policies, ...this.#untold };
    }
    this.#isTelling = false;
    if (Object.keys(this.#untold).length > 0 || this.#toldVersion === 0)
      this.#timer = setTimeout(() => void this.#tell(), PAUSE_MS);
  }

  async #send(policies: Record<string, PolicyInForce | null>, version: number): Promise<void> {
    const status = {
      observedResourceVersion: String(version),
      policies,
      ...(this.#lastChangeMs !== undefined && { lastChangeMs: this.#lastChangeMs }),
    };
    const at = { name: this.#node };
    if (this.#isFirst) {
      await this.#ensure();
      const all = Object.fromEntries(Object.entries(policies).filter(([, value]) => value !== null));
      const patch = [{ op: "add", path: "/status", value: { ...status, policies: all } }];
      await this.#client.patch(NODE_NETWORKS, at, patch, { type: "json", subresource: "status" });
      return;
    }
    await this.#client.patch(NODE_NETWORKS, at, { status }, { type: "merge", subresource: "status" });
  }

  async #ensure(): Promise<void> {
    try {
      await this.#client.create(NODE_NETWORKS, {
        apiVersion: "tortie.dev/v1alpha1",
        kind: "NodeNetwork",
        metadata: { name: this.#node },
      });
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
