/**
 * @module Making and deleting a workload's pods, without being misled by what the informer has not heard yet: a pod that
 * was made counts from the API's answer on, and one that was deleted counts no more (Kubernetes calls it expectations).
 */
import type { PodSpec, PodTemplateSpec } from "kubernetes-types/core/v1.js";
import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { EventRecorder } from "../client/events.ts";
import type { Pod } from "../client/kinds.ts";
import { PODS } from "../client/kinds.ts";
import type { KubeObject, OwnerReference, ResourceType } from "../client/objects.ts";
import { concurrently, inGrowingBatches } from "./concurrently.ts";
import type { Context } from "./context.ts";
import { byController, orphans } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { controllerOf, isDeleting, ownedBy, uidOf } from "./owners.ts";
import { isTerminatingNamespace } from "./queue.ts";
import { selects } from "./selection.ts";

/** A pod that the informer never tells of was deleted while a watch was broken. */
const FORGET_MS = 30_000;
const DELETIONS = 64;

export class PodControl {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #owned: Index<Pod>;
  readonly #orphans: Index<Pod>;
  /** Made by us and not heard of, by owner's uid and pod's uid. */
  readonly #made = new Map<string, Map<string, { readonly pod: Pod; readonly until: number }>>();
  /** Heard of while the API was making pods for the owner: its answer may come later than the news. */
  readonly #heard = new Map<string, Set<string>>();
  /** Deleted by us, by uid, until the informer says that they are gone. */
  readonly #deleted = new Set<string>();

  constructor({ informers }: Context, client: Client, events: EventRecorder) {
    this.#client = client;
    this.#events = events;
    this.#owned = byController(informers, PODS);
    this.#orphans = orphans(informers, PODS);
    informers.of(PODS).on({
      changed: (pod) => this.#hear(pod),
      deleted: (pod) => {
        this.#hear(pod);
        this.#deleted.delete(uidOf(pod));
      },
    });
  }

  #hear(pod: Pod): void {
    const owner = controllerOf(pod)?.uid;
    if (owner === undefined) return;
    this.#heard.get(owner)?.add(uidOf(pod));
    const made = this.#made.get(owner);
    if (made?.delete(uidOf(pod)) && made.size === 0) this.#made.delete(owner);
  }

  /** All pods of an owner, those that are ending included. */
  owned(owner: KubeObject): Pod[] {
    const pods = this.#owned.list(uidOf(owner));
    const made = this.#made.get(uidOf(owner));
    if (!made) return pods;
    const now = Date.now();
    for (const [uid, { pod, until }] of made) {
      if (until < now) made.delete(uid);
      else pods.push(pod);
    }
    return pods;
  }

  isGoing(pod: Pod): boolean {
    return isDeleting(pod) || this.#deleted.has(uidOf(pod));
  }

  /**
   * Takes pods without a controller that the selector selects, and lets go of those that it selects no more.
   * @returns whether anything was changed
   */
  async claim<T extends KubeObject>(
    owner: T,
    type: ResourceType<T>,
    selector: LabelSelector | undefined,
  ): Promise<boolean> {
    if (isDeleting(owner) || !selector) return false;
    const { namespace, name } = owner.metadata;
    const wanted = this.#orphans
      .list(namespace ?? "")
      .filter((pod) => !isDeleting(pod) && selects(selector, pod.metadata.labels));
    const unwanted = this.#owned
      .list(uidOf(owner))
      .filter((pod) => !isDeleting(pod) && !selects(selector, pod.metadata.labels));
    if (wanted.length > 0) {
      // What is adopted by an owner that is gone already would be deleted with it.
      const present = await this.#client.get(type, { namespace, name });
      if (present.metadata.uid !== owner.metadata.uid || isDeleting(present)) return false;
    }
    const adopt = (pod: Pod): Promise<void> =>
      this.#setOwners(pod, [...(pod.metadata.ownerReferences ?? []), ownedBy(owner, type)]);
    const release = (pod: Pod): Promise<void> =>
      this.#setOwners(
        pod,
        (pod.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner.metadata.uid),
      );
    await concurrently(wanted, DELETIONS, adopt);
    await concurrently(unwanted, DELETIONS, release);
    return wanted.length + unwanted.length > 0;
  }

  async #setOwners(pod: Pod, ownerReferences: readonly OwnerReference[]): Promise<void> {
    const { namespace, name, uid, resourceVersion } = pod.metadata;
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    await this.#client.patch(PODS, { namespace, name }, patch, { type: "merge" });
  }

  /** In batches that grow. @throws what the API said to the first that it refused */
  async create<T extends KubeObject>(owner: T, type: ResourceType<T>, pods: readonly Pod[]): Promise<void> {
    const heard = new Set<string>();
    const uid = uidOf(owner);
    this.#heard.set(uid, heard);
    try {
      await inGrowingBatches(pods, async (draft) => {
        const pod = await this.#createOne(owner, draft);
        this.#events.normal(ownerOf(owner, type), "SuccessfulCreate", `Created pod: ${pod.metadata.name}`);
        if (heard.has(uidOf(pod))) return;
        const made = this.#made.get(uid) ?? new Map<string, { pod: Pod; until: number }>();
        made.set(uidOf(pod), { pod, until: Date.now() + FORGET_MS });
        this.#made.set(uid, made);
      });
    } finally {
      this.#heard.delete(uid);
    }
  }

  async #createOne(owner: KubeObject, draft: Pod): Promise<Pod> {
    try {
      return await this.#client.create(PODS, draft);
    } catch (error) {
      if (!isReason(error, "NotFound", "AlreadyExists") && !isTerminatingNamespace(error))
        this.#events.warning(owner, "FailedCreate", `Error creating: ${(error as Error).message}`);
      throw error;
    }
  }

  /** @param how - "now": nothing is left of it to be ended, or nobody is there to end it */
  async delete<T extends KubeObject>(
    owner: T,
    type: ResourceType<T>,
    pods: readonly Pod[],
    how: "gracefully" | "now" = "gracefully",
  ): Promise<void> {
    await concurrently(pods, DELETIONS, async (pod) => {
      const { namespace, name, uid } = pod.metadata;
      if (uid === undefined || this.#deleted.has(uid)) return;
      this.#deleted.add(uid);
      try {
        await this.#client.delete(
          PODS,
          { namespace, name },
          { uid, ...(how === "now" && { gracePeriodSeconds: 0 }) },
        );
        this.#events.normal(ownerOf(owner, type), "SuccessfulDelete", `Deleted pod: ${name}`);
      } catch (error) {
        this.#deleted.delete(uid);
        if (!isReason(error, "NotFound", "Conflict")) throw error;
      }
    });
  }
}

function ownerOf<T extends KubeObject>(owner: T, type: ResourceType<T>): KubeObject {
  return owner.kind ? owner : { ...owner, kind: type.kind };
}

/** A pod of a template, in its owner's hands. */
export function podOf<T extends KubeObject>(
  owner: T,
  type: ResourceType<T>,
  template: PodTemplateSpec,
  also: {
    readonly name?: string;
    readonly generateName?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly spec?: (spec: PodSpec) => PodSpec;
  } = {},
): Pod {
  const { metadata, spec = { containers: [] } } = template;
  const annotations = { ...metadata?.annotations, ...also.annotations };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      // The server makes the name of what is generated.
      name: also.name ?? "",
      ...(also.name === undefined && { generateName: also.generateName ?? `${owner.metadata.name}-` }),
      ...(owner.metadata.namespace !== undefined && { namespace: owner.metadata.namespace }),
      labels: { ...metadata?.labels, ...also.labels },
      ...(Object.keys(annotations).length > 0 && { annotations }),
      ...(metadata?.finalizers && { finalizers: metadata.finalizers }),
      ownerReferences: [ownedBy(owner, type)],
    },
    spec: also.spec ? also.spec(spec) : spec,
  };
}
