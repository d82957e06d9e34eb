/** @module Who owns whom, by uid, as the informers tell it: metadata only. */
import type { KubeObject, OwnerReference, ResourceType } from "../client/objects.ts";
import { uidOf } from "./owners.ts";

export interface GraphNode {
  readonly uid: string;
  readonly type: ResourceType;
  readonly name: string;
  readonly namespace: string | undefined;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly isDeleting: boolean;
}

const NOBODY: ReadonlySet<string> = new Set();

export class OwnershipGraph {
  readonly #nodes = new Map<string, GraphNode>();
  /** Also of owners that are not known (yet). */
  readonly #dependents = new Map<string, Set<string>>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  dependents(uid: string): ReadonlySet<string> {
    return this.#dependents.get(uid) ?? NOBODY;
  }

  /** @returns whether anything is new that has to do with ownership */
  set(type: ResourceType, object: KubeObject): boolean {
    const uid = uidOf(object);
    const { name, namespace, ownerReferences = [], finalizers = [], deletionTimestamp } = object.metadata;
    const node: GraphNode = {
      uid,
      type,
      name,
      namespace,
      owners: ownerReferences,
      finalizers,
      isDeleting: deletionTimestamp !== undefined,
    };
    const before = this.#nodes.get(uid);
    if (before && isSame(before, node)) return false;
    for (const owner of before?.owners ?? []) this.#unlink(owner.uid, uid);
    for (const owner of node.owners) {
      const dependents = this.#dependents.get(owner.uid) ?? new Set();
      this.#dependents.set(owner.uid, dependents.add(uid));
    }
    this.#nodes.set(uid, node);
    return true;
  }

  remove(uid: string): GraphNode | undefined {
    const node = this.#nodes.get(uid);
    this.#nodes.delete(uid);
    for (const owner of node?.owners ?? []) this.#unlink(owner.uid, uid);
    return node;
  }

  #unlink(owner: string, uid: string): void {
    const dependents = this.#dependents.get(owner);
    if (dependents?.delete(uid) && dependents.size === 0) this.#dependents.delete(owner);
  }
}

/** Most events change neither owners nor finalizers, and most objects have one owner. */
function isSame(a: GraphNode, b: GraphNode): boolean {
  return (
    a.isDeleting === b.isDeleting &&
    a.owners.length === b.owners.length &&
    a.finalizers.length === b.finalizers.length &&
    a.finalizers.every((one, place) => one === b.finalizers[place]) &&
    a.owners.every((one, place) => {
      const other = b.owners[place];
      return one.uid === other?.uid && one.blockOwnerDeletion === other.blockOwnerDeletion;
    })
  );
}
