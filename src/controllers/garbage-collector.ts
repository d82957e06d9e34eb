/**
 * @module What is owned goes with its owners: in the background after them, in the foreground before them, or is left
 * without an owner. Sources: Kubernetes' documentation of garbage collection and of finalizers.
 */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { KubeObject, OwnerReference, ResourceType } from "../client/objects.ts";
import { concurrently } from "./concurrently.ts";
import type { Context, Controller } from "./context.ts";
import type { Informers } from "./informers.ts";
import { groupOf, isDeleting, uidOf } from "./owners.ts";
import { type GraphNode, OwnershipGraph } from "./ownership-graph.ts";
import { ControllerQueue } from "./queue.ts";

const NAME = "generic-garbage-collector";
const FOREGROUND = "foregroundDeletion";
const ORPHAN = "orphan";
const WORKERS = 32;
/** How often it is asked which resources there are. */
const RESOURCES_MS = 2000;
/** Owners of kinds that are not served may come to be served. */
const UNKNOWN_KIND_MS = 30_000;
const UNHEARD_OWNER_MS = 5000;
const ABSENT_MEMORY = 5000;

export class GarbageCollector implements Controller {
  readonly #client: Client;
  readonly #informers: Informers;
  readonly #resources: () => readonly ResourceType[];
  readonly #graph = new OwnershipGraph();
  readonly #watched = new Map<string, ResourceType>();
  /** Uids of which it is known that nothing has them, and nothing will: oldest first. */
  readonly #absent = new Set<string>();
  readonly #queue: ControllerQueue;
  readonly #timer: NodeJS.Timeout;

  constructor({ informers, client, log }: Context, resources: () => readonly ResourceType[]) {
    this.#client = client(NAME);
    this.#informers = informers;
    this.#resources = resources;
    this.#queue = new ControllerQueue((uid) => this.#look(uid), {
      name: NAME,
      log,
      ready: Promise.resolve(),
      workers: WORKERS,
    });
    this.#watchAll();
    this.#timer = setInterval(() => this.#watchAll(), RESOURCES_MS);
    this.#timer.unref();
  }

  #watchAll(): void {
    const present = new Set<string>();
    for (const type of this.#resources()) {
      // Events own nothing and are owned by nothing; of several versions of a resource one is enough.
      const name = `${type.group}/${type.plural}`;
      if (type.plural === "events" || present.has(name)) continue;
      present.add(name);
      if (this.#watched.has(name)) continue;
      this.#watched.set(name, type);
      this.#informers.of(type).on({
        changed: (object, before) => {
          if (before && before.metadata.uid !== object.metadata.uid) this.#gone(before);
          if (this.#graph.set(type, object)) this.#changed(uidOf(object));
        },
        deleted: (last) => this.#gone(last),
      });
    }
    for (const [name, type] of this.#watched) {
      if (present.has(name)) continue;
      this.#watched.delete(name);
      this.#informers.drop(type);
    }
  }

  #changed(uid: string): void {
    const node = this.#graph.get(uid);
    if (!node) return;
    const isLast = node.isDeleting && node.finalizers.some((one) => one === FOREGROUND || one === ORPHAN);
    // An owner that is known and stays needs no look: which is the case of nearly every object that is made.
    const isSettled =
      node.owners.length === 0 ||
      node.owners.every((owner) => this.#graph.get(owner.uid)?.isDeleting === false);
    if (isLast || !isSettled) this.#queue.add(uid);
  }

  #gone(last: KubeObject): void {
    const uid = uidOf(last);
    const node = this.#graph.remove(uid);
    this.#rememberAbsent(uid);
    for (const dependent of this.#graph.dependents(uid)) this.#queue.add(dependent);
    // Owners that wait for the last of what is theirs.
    for (const owner of node?.owners ?? [])
      if (this.#graph.get(owner.uid)?.isDeleting === true) this.#queue.add(owner.uid);
  }

  #rememberAbsent(uid: string): void {
    this.#absent.add(uid);
    if (this.#absent.size > ABSENT_MEMORY) this.#absent.delete(this.#absent.keys().next().value ?? "");
  }

  async #look(uid: string): Promise<void> {
    const node = this.#graph.get(uid);
    if (!node) return;
    if (node.isDeleting) {
      if (node.finalizers.includes(ORPHAN)) await this.#orphanDependents(node);
      else if (node.finalizers.includes(FOREGROUND)) await this.#deleteDependentsFirst(node);
      return;
    }
    if (node.owners.length > 0) await this.#judge(node);
  }

  /** By what the API says now: what the informers have told of may be past. Cost: one read for each that may have to go. */
  async #judge(node: GraphNode): Promise<void> {
    const object = await this.#present(node);
    if (!object || isDeleting(object)) return;
    const present: OwnerReference[] = [];
    const leaving: OwnerReference[] = [];
    const absent: OwnerReference[] = [];
    for (const owner of object.metadata.ownerReferences ?? []) {
      const state = await this.#stateOf(owner, node);
      if (state === "unknown") return;
      (state === "absent" ? absent : state === "leaving" ? leaving : present).push(owner);
    }
    if (absent.length + leaving.length === 0) return;
    if (present.length > 0) {
      await this.#setOwners(node.type, object, present);
      return;
    }
    const dependents = this.#graph.dependents(node.uid);
    const finalizers = object.metadata.finalizers ?? [];
    if (leaving.length > 0 && dependents.size > 0) await this.#delete(node.type, object, "Foreground");
    else if (finalizers.includes(ORPHAN)) await this.#delete(node.type, object, "Orphan");
    else if (finalizers.includes(FOREGROUND)) await this.#delete(node.type, object, "Foreground");
    else await this.#delete(node.type, object, "Background");
  }

  /** @returns undefined when it is gone, or another of its name is there */
  async #present({ type, namespace, name, uid }: GraphNode): Promise<KubeObject | undefined> {
    try {
      const object = await this.#client.get(type, { namespace, name });
      return object.metadata.uid === uid ? object : undefined;
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }

  /** "leaving": it waits for those that block its deletion. */
  async #stateOf(
    owner: OwnerReference,
    dependent: GraphNode,
  ): Promise<"present" | "leaving" | "absent" | "unknown"> {
    // It names nobody, so nobody's end is the end of its dependent.
    if (owner.uid === "") return "unknown";
    const known = this.#graph.get(owner.uid);
    if (known) {
      const waits = known.isDeleting && known.finalizers.includes(FOREGROUND);
      return waits ? "leaving" : "present";
    }
    if (this.#absent.has(owner.uid)) return "absent";
    const type = this.#typeOf(owner);
    if (!type) {
      this.#queue.addAfter(dependent.uid, UNKNOWN_KIND_MS);
      return "unknown";
    }
    // What is in no namespace cannot say in which one its owner is.
    if (type.namespaced && dependent.namespace === undefined) return "unknown";
    try {
      const found = await this.#client.get(type, {
        name: owner.name,
        ...(type.namespaced && { namespace: dependent.namespace }),
      });
      if (found.metadata.uid === owner.uid) {
        // The informer has yet to tell of it; when it goes before, nobody else looks again.
        this.#queue.addAfter(dependent.uid, UNHEARD_OWNER_MS);
        return "present";
      }
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
    this.#rememberAbsent(owner.uid);
    return "absent";
  }

  #typeOf({ apiVersion, kind }: OwnerReference): ResourceType | undefined {
    const group = groupOf(apiVersion);
    return this.#watched.size === 0
      ? undefined
      : [...this.#watched.values()].find((type) => type.group === group && type.kind === kind);
  }

  /** @throws ApiError `Conflict` when it has changed since it was judged: it is judged again */
  async #delete(
    type: ResourceType,
    { metadata: { namespace, name, uid, resourceVersion } }: KubeObject,
    propagationPolicy: "Background" | "Foreground" | "Orphan",
  ): Promise<void> {
    if (uid === undefined || resourceVersion === undefined) return;
    try {
      await this.#client.delete(type, { namespace, name }, { uid, resourceVersion, propagationPolicy });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  /** @throws ApiError `Conflict`, as {@link #delete} */
  async #setOwners(
    type: ResourceType,
    { metadata: { namespace, name, uid, resourceVersion } }: KubeObject,
    ownerReferences: readonly OwnerReference[],
  ): Promise<void> {
    const patch = { metadata: { uid, resourceVersion, ownerReferences } };
    try {
      await this.#client.patch(type, { namespace, name }, patch, { type: "merge" });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  async #deleteDependentsFirst(owner: GraphNode): Promise<void> {
    const dependents = [...this.#graph.dependents(owner.uid)].map((uid) => this.#graph.get(uid));
    const isBlocked = dependents.some((one) =>
      one?.owners.some(({ uid, blockOwnerDeletion }) => uid === owner.uid && blockOwnerDeletion === true),
    );
    if (!isBlocked) {
      await this.#removeFinalizer(owner, FOREGROUND);
      return;
    }
    for (const dependent of dependents) if (dependent) this.#queue.add(dependent.uid);
  }

  async #orphanDependents(owner: GraphNode): Promise<void> {
    const dependents = [...this.#graph.dependents(owner.uid)]
      .map((uid) => this.#graph.get(uid))
      .filter((one) => one !== undefined);
    await concurrently(dependents, WORKERS, async (dependent) => {
      const object = await this.#present(dependent);
      const owners = object?.metadata.ownerReferences ?? [];
      const others = owners.filter(({ uid }) => uid !== owner.uid);
      if (object && others.length < owners.length) await this.#setOwners(dependent.type, object, others);
    });
    await this.#removeFinalizer(owner, ORPHAN);
  }

  async #removeFinalizer({ uid, name, namespace, type }: GraphNode, finalizer: string): Promise<void> {
    try {
      const present = await this.#client.get(type, { namespace, name });
      if (present.metadata.uid !== uid) return;
      const finalizers = (present.metadata.finalizers ?? []).filter((one) => one !== finalizer);
      const patch = { metadata: { uid, resourceVersion: present.metadata.resourceVersion, finalizers } };
      await this.#client.patch(type, { namespace, name }, patch, { type: "merge" });
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#queue.stop();
  }
}
