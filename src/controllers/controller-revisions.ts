/**
 * @module The templates that a StatefulSet or a DaemonSet has had, as ControllerRevisions: what its pods below a
 * partition are made of, and what `kubectl rollout undo` goes back to. Source: pkg/controller/history.
 */
import type { PodTemplateSpec } from "kubernetes-types/core/v1.js";
import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import type { KubeObject, ResourceType } from "../client/objects.ts";
import type { Context } from "./context.ts";
import { isEqual } from "./equal.ts";
import { byController } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { controllerOf, isDeleting, ownedBy, uidOf } from "./owners.ts";
import { templateHash } from "./template-hash.ts";

export interface ControllerRevision extends KubeObject {
  /** A strategic merge patch that gives the owner this template. */
  readonly data?: { readonly spec?: { readonly template?: PodTemplateSpec } };
  /** Counts up: the owner's present one is the highest. */
  readonly revision: number;
}

export const CONTROLLER_REVISIONS: ResourceType<ControllerRevision> = {
  group: "apps",
  version: "v1",
  kind: "ControllerRevision",
  plural: "controllerrevisions",
  namespaced: true,
};

/** What names a revision among those of its owner: in its labels, and in those of a DaemonSet's pods. */
export const REVISION_HASH = "controller-revision-hash";
const HASH = "controller.kubernetes.io/hash";
const DEFAULT_LIMIT = 10;
const MAX_COLLISIONS = 10;

export interface Revised extends KubeObject {
  spec: {
    selector: LabelSelector;
    template: PodTemplateSpec;
    revisionHistoryLimit?: number;
  };
  status?: { collisionCount?: number };
}

export interface History {
  /** Of the present template. */
  readonly update: ControllerRevision;
  /** In the order of their numbers; the present one included. */
  readonly all: readonly ControllerRevision[];
  readonly collisions: number;
}

export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data?.spec?.template ?? {}) as PodTemplateSpec & {
    $patch?: string;
  };
  return template;
}

export function hashOf({ metadata }: ControllerRevision): string {
  return metadata.labels?.[HASH] ?? "";
}

export class ControllerRevisions<T extends Revised> {
  readonly #client: Client;
  readonly #type: ResourceType<T>;
  readonly #owned: Index<ControllerRevision>;

  constructor({ informers }: Context, client: Client, type: ResourceType<T>) {
    this.#client = client;
    this.#type = type;
    this.#owned = byController(informers, CONTROLLER_REVISIONS);
  }

  /** Makes the present template's revision, or makes it the highest again. */
  async look(set: T): Promise<History> {
    const all = this.#owned
      .list(uidOf(set))
      .filter((one) => !isDeleting(one))
      .sort((a, b) => a.revision - b.revision);
    const data = { spec: { template: { ...set.spec.template, $patch: "replace" } } };
    const next = (all.at(-1)?.revision ?? 0) + 1;
    const known = all.findLast((one) => isEqual(one.data, data));
    const collisions = set.status?.collisionCount ?? 0;
    if (!known) {
      const made = await this.#make(set, { data, revision: next, collisions });
      const others = all.filter((one) => uidOf(one) !== uidOf(made.update));
      return { ...made, all: [...others, made.update] };
    }
    if (known === all.at(-1)) return { update: known, all, collisions };
    const update = await this.#client.update(CONTROLLER_REVISIONS, { ...known, revision: next });
    return { update, all: [...all.filter((one) => one !== known), update], collisions };
  }

  async #make(
    set: T,
    wanted: { data: ControllerRevision["data"]; revision: number; collisions: number },
  ): Promise<{ update: ControllerRevision; collisions: number }> {
    const { data, revision } = wanted;
    const { name, namespace, annotations } = set.metadata;
    for (let { collisions } = wanted; ; collisions++) {
      const hash = templateHash(set.spec.template, collisions);
      const draft: ControllerRevision = {
        apiVersion: "apps/v1",
        kind: "ControllerRevision",
        metadata: {
          name: `${name}-${hash}`,
          ...(namespace !== undefined && { namespace }),
          labels: { ...set.spec.template.metadata?.labels, [HASH]: hash, [REVISION_HASH]: hash },
          // Among them why it was changed, which `kubectl rollout history` shows.
          ...(annotations && { annotations }),
          ownerReferences: [ownedBy(set, this.#type)],
        },
        ...(data && { data }),
        revision,
      };
      try {
        return { update: await this.#client.create(CONTROLLER_REVISIONS, draft), collisions };
      } catch (error) {
        if (!isReason(error, "AlreadyExists") || collisions >= wanted.collisions + MAX_COLLISIONS)
          throw error;
      }
      const update = await this.#adopt(set, draft);
      if (update) return { update, collisions };
    }
  }

  /** One of this name that we have not heard of, or that an owner before us left behind. */
  async #adopt(set: T, draft: ControllerRevision): Promise<ControllerRevision | undefined> {
    const present = await this.#client.get(CONTROLLER_REVISIONS, draft.metadata);
    if (!isEqual(present.data, draft.data)) return undefined;
    const owner = controllerOf(present);
    if (owner?.uid === uidOf(set)) return present;
    if (owner) return undefined;
    const { ownerReferences } = draft.metadata;
    const metadata = { ...present.metadata, ...(ownerReferences && { ownerReferences }) };
    return this.#client.update(CONTROLLER_REVISIONS, { ...present, metadata, revision: draft.revision });
  }

  /** Forgets the oldest of those that nothing uses. @param isUsed - whether a pod, or the status, is of it */
  async prune(
    set: T,
    { all, update }: History,
    isUsed: (revision: ControllerRevision) => boolean,
  ): Promise<void> {
    const spare = all.filter((one) => one !== update && !isUsed(one));
    const limit = set.spec.revisionHistoryLimit ?? DEFAULT_LIMIT;
    for (const { metadata } of spare.slice(0, Math.max(0, spare.length - limit))) {
      const { namespace, name, uid } = metadata;
      try {
        const options = uid === undefined ? {} : { uid };
        await this.#client.delete(CONTROLLER_REVISIONS, { namespace, name }, options);
      } catch (error) {
        if (!isReason(error, "NotFound", "Conflict")) throw error;
      }
    }
  }
}
