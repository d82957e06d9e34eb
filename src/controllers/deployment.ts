/** @module Deployments: one ReplicaSet a template, and the way from one to the next. */
import type { Client } from "../client/client.ts";
import { isReason } from "../client/client.ts";
import { EventRecorder } from "../client/events.ts";
import type { Informer } from "../client/informer.ts";
import type { Deployment, Pod, ReplicaSet } from "../client/kinds.ts";
import { DEPLOYMENTS, PODS, REPLICA_SETS } from "../client/kinds.ts";
import { keyOf } from "../client/objects.ts";
import type { Context, Controller } from "./context.ts";
import {
  findFresh,
  freshAnnotations,
  isSizedFor,
  newSet,
  REVISION,
  revisionOf,
  sizeAnnotations,
} from "./deployment-revision.ts";
import { freshReplicas, limitsOf, oldReplicas, proportional, replicasOf } from "./deployment-scaling.ts";
import { deadlineMs, isComplete, type Rollout, statusOf } from "./deployment-status.ts";
import { isEqual } from "./equal.ts";
import { byController, byNamespace, orphans } from "./indexes.ts";
import type { Index } from "./informers.ts";
import { controllerKey, controllerOf, isDeleting, isStatusOnly, ownedBy, uidOf } from "./owners.ts";
import { conditionOf, isFinished } from "./pod-state.ts";
import { ControllerQueue } from "./queue.ts";
import { selects } from "./selection.ts";
import { writeStatus } from "./status.ts";

const NAME = "deployment-controller";
const PACE_MS = 50;
const DEFAULT_HISTORY = 10;

export class DeploymentController implements Controller {
  readonly #client: Client;
  readonly #events: EventRecorder;
  readonly #now: () => number;
  readonly #deployments: Informer<Deployment>;
  readonly #sets: Informer<ReplicaSet>;
  readonly #byNamespace: Index<Deployment>;
  readonly #owned: Index<ReplicaSet>;
  readonly #orphans: Index<ReplicaSet>;
  readonly #pods: Index<Pod>;
  readonly #queue: ControllerQueue;

  constructor({ informers, client, log, now }: Context) {
    this.#client = client(NAME);
    this.#events = new EventRecorder(this.#client, { component: NAME });
    this.#now = now;
    this.#byNamespace = byNamespace(informers, DEPLOYMENTS);
    this.#owned = byController(informers, REPLICA_SETS);
    this.#orphans = orphans(informers, REPLICA_SETS);
    this.#pods = byController(informers, PODS);
    this.#queue = new ControllerQueue((key) => this.#look(key), {
      name: NAME,
      log,
      ready: informers.ready(DEPLOYMENTS, REPLICA_SETS, PODS),
      paceMs: PACE_MS,
    });
    this.#deployments = informers.of(DEPLOYMENTS).on({
      changed: (deployment, before) => {
        if (!isStatusOnly(deployment, before)) this.#queue.add(keyOf(deployment));
      },
    });
    this.#sets = informers.of(REPLICA_SETS).on({
      changed: (set) => this.#tell(set),
      deleted: (set) => this.#tell(set),
    });
    informers.of(PODS).on({ deleted: (pod) => this.#tellPod(pod), changed: (pod) => this.#tellPod(pod) });
  }

  #tell(set: ReplicaSet): void {
    const key = controllerKey(set, DEPLOYMENTS);
    if (key !== undefined) this.#queue.soon(key);
    else if (!controllerOf(set)) {
      for (const deployment of this.#byNamespace.get(set.metadata.namespace ?? "").values())
        if (selects(deployment.spec.selector, set.metadata.labels)) this.#queue.soon(keyOf(deployment));
    }
  }

  /** Recreate waits for the last pod of what was before; all else is in the sets' statuses. */
  #tellPod(pod: Pod): void {
    const setKey = controllerKey(pod, REPLICA_SETS);
    const set = setKey === undefined ? undefined : this.#sets.byKey(setKey);
    const key = set && controllerKey(set, DEPLOYMENTS);
    const deployment = key === undefined ? undefined : this.#deployments.byKey(key);
    if (key !== undefined && deployment?.spec.strategy?.type === "Recreate") this.#queue.soon(key);
  }

  async #look(key: string): Promise<void> {
    const deployment = this.#deployments.byKey(key);
    if (!deployment || isDeleting(deployment)) return;
    const sets = await this.#claimed(deployment);
    const present = findFresh(deployment, sets);
    const old = sets.filter((set) => set !== present);
    if (deployment.spec.paused === true) {
      await this.#scaleAll(deployment, sets, present);
      await this.#tellStatus(key, { ...this.#rollout(deployment, old), fresh: present });
      return;
    }
    // Of no template in particular, a change of size is made before the way is gone on.
    const active = sets.filter((set) => replicasOf(set) > 0);
    if (active.some((set) => !isSizedFor(deployment, set))) {
      await this.#scaleAll(deployment, sets, present);
      await this.#tellStatus(key, { ...this.#rollout(deployment, old), fresh: present });
      this.#queue.addAfter(key, PACE_MS);
      return;
    }
    const isRecreate = deployment.spec.strategy?.type === "Recreate";
    if (isRecreate && !(await this.#stopOld(deployment, old))) {
      await this.#tellStatus(key, { ...this.#rollout(deployment, old), fresh: present });
      return;
    }
    const made = await this.#fresh(deployment, present, old);
    if (!made) return;
    const { fresh, beginning, told } = made;
    let newest = fresh;
    if (replicasOf(fresh) !== freshReplicas(deployment, fresh, old))
      newest = await this.#setReplicas(deployment, fresh, freshReplicas(deployment, fresh, old));
    const after = isRecreate ? old : await this.#shrinkOld(deployment, newest, old);
    const status = await this.#tellStatus(key, {
      ...this.#rollout(told, after),
      fresh: newest,
      beginning,
    });
    if (isComplete(deployment, status)) await this.#forget(deployment, after);
  }

  #rollout(deployment: Deployment, old: readonly ReplicaSet[]): Omit<Rollout, "fresh"> {
    const collisions = deployment.status?.collisionCount;
    return { deployment, old, beginning: undefined, collisions, now: this.#now() };
  }

  /** Its own sets, and those of nobody that it selects. */
  async #claimed(deployment: Deployment): Promise<ReplicaSet[]> {
    const { namespace, name, uid } = deployment.metadata;
    const owned = this.#owned.list(uidOf(deployment)).filter((set) => !isDeleting(set));
    const found = this.#orphans
      .list(namespace ?? "")
      .filter((set) => !isDeleting(set) && selects(deployment.spec.selector, set.metadata.labels));
    if (found.length === 0) return owned;
    const present = await this.#client.get(DEPLOYMENTS, { namespace, name });
    if (present.metadata.uid !== uid || isDeleting(present)) return owned;
    for (const set of found) {
      const metadata = {
        ...set.metadata,
        ownerReferences: [...(set.metadata.ownerReferences ?? []), ownedBy(deployment, DEPLOYMENTS)],
      };
      owned.push(await this.#client.update(REPLICA_SETS, { ...set, metadata }));
    }
    return owned;
  }

  /** The set of the present template, with its revision; made, when there is none. */
  async #fresh(
    deployment: Deployment,
    present: ReplicaSet | undefined,
    old: readonly ReplicaSet[],
  ): Promise<{ fresh: ReplicaSet; told: Deployment; beginning: Rollout["beginning"] } | undefined> {
    if (!present) {
      const fresh = await this.#make(deployment, old);
      if (!fresh) return undefined;
      return { fresh, told: await this.#tellRevision(deployment, fresh), beginning: "created" };
    }
    const annotations = freshAnnotations(deployment, present, old);
    const minReadySeconds = deployment.spec.minReadySeconds;
    let fresh = present;
    const isCurrent =
      isEqual(annotations, present.metadata.annotations) &&
      (minReadySeconds ?? 0) === (present.spec.minReadySeconds ?? 0);
    if (!isCurrent) {
      const spec = { ...present.spec, minReadySeconds: minReadySeconds ?? 0 };
      fresh = await this.#client.update(REPLICA_SETS, {
        ...present,
        metadata: { ...present.metadata, annotations },
        spec,
      });
    }
    const told = await this.#tellRevision(deployment, fresh);
    const isFound = revisionOf(fresh) !== revisionOf(present);
    return { fresh, told, beginning: isFound ? "found" : undefined };
  }

  async #make(deployment: Deployment, old: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const draft = newSet(deployment, old);
    const { namespace, name } = draft.metadata;
    try {
      const made = await this.#client.create(REPLICA_SETS, draft);
      const size = replicasOf(made);
      if (size > 0)
        this.#events.normal(
          deployment,
          "ScalingReplicaSet",
          `Scaled up replica set ${name} from 0 to ${size}`,
        );
      return made;
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
      const existing = await this.#client.get(REPLICA_SETS, { namespace, name });
      const isOurs = controllerOf(existing)?.uid === deployment.metadata.uid;
      if (isOurs && findFresh(deployment, [existing])) return existing;
      // Another template has the name: the next look takes the next name.
      const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
      const status = { ...deployment.status, collisionCount };
      await this.#client.update(DEPLOYMENTS, { ...deployment, status }, "status");
      this.#queue.addAfter(keyOf(deployment), PACE_MS);
      return undefined;
    }
  }

  /** `kubectl rollout history` reads the revision off the Deployment, too. */
  async #tellRevision(deployment: Deployment, fresh: ReplicaSet): Promise<Deployment> {
    const revision = fresh.metadata.annotations?.[REVISION];
    if (revision === undefined || deployment.metadata.annotations?.[REVISION] === revision) return deployment;
    const { namespace, name } = deployment.metadata;
    const patch = { metadata: { annotations: { [REVISION]: revision } } };
    return this.#client.patch(DEPLOYMENTS, { namespace, name }, patch, { type: "merge" });
  }

  async #setReplicas(deployment: Deployment, set: ReplicaSet, replicas: number): Promise<ReplicaSet> {
    const before = replicasOf(set);
    const metadata = {
      ...set.metadata,
      annotations: { ...set.metadata.annotations, ...sizeAnnotations(deployment) },
    };
    const changed = await this.#client.update(REPLICA_SETS, {
      ...set,
      metadata,
      spec: { ...set.spec, replicas },
    });
    const way = replicas > before ? "up" : "down";
    if (replicas !== before)
      this.#events.normal(
        deployment,
        "ScalingReplicaSet",
        `Scaled ${way} replica set ${set.metadata.name} from ${before} to ${replicas}`,
      );
    return changed;
  }

  async #shrinkOld(
    deployment: Deployment,
    fresh: ReplicaSet,
    old: readonly ReplicaSet[],
  ): Promise<ReplicaSet[]> {
    const steps = oldReplicas(deployment, fresh, old);
    const after: ReplicaSet[] = [];
    for (const set of old) {
      const wanted = steps.get(set);
      after.push(wanted === undefined ? set : await this.#setReplicas(deployment, set, wanted));
    }
    return after;
  }

  /** @returns whether nothing of what was before runs any more */
  async #stopOld(deployment: Deployment, old: readonly ReplicaSet[]): Promise<boolean> {
    const running = old.filter((set) => replicasOf(set) > 0);
    for (const set of running) await this.#setReplicas(deployment, set, 0);
    if (running.length > 0) return false;
    return old.every((set) => this.#pods.list(uidOf(set)).every(isFinished));
  }

  /** Every set its part of the size that the Deployment has now. */
  async #scaleAll(
    deployment: Deployment,
    sets: readonly ReplicaSet[],
    fresh: ReplicaSet | undefined,
  ): Promise<void> {
    const active = sets.filter((set) => replicasOf(set) > 0);
    const wanted = deployment.spec.replicas ?? 1;
    const one = active.length === 1 ? active[0] : active.length === 0 ? fresh : undefined;
    if (one) {
      if (replicasOf(one) !== wanted || !isSizedFor(deployment, one))
        await this.#setReplicas(deployment, one, wanted);
      return;
    }
    if (active.every((set) => isSizedFor(deployment, set))) return;
    const surge = deployment.spec.strategy?.type === "Recreate" ? 0 : limitsOf(deployment).maxSurge;
    const steps = proportional(active, wanted === 0 ? 0 : wanted + surge);
    for (const set of active) await this.#setReplicas(deployment, set, steps.get(set) ?? replicasOf(set));
  }

  async #tellStatus(key: string, rollout: Rollout): Promise<ReturnType<typeof statusOf>> {
    const { deployment } = rollout;
    const status = statusOf(rollout);
    await writeStatus(this.#client, DEPLOYMENTS, deployment, status);
    const progressing = conditionOf(status.conditions, "Progressing");
    const limit = deadlineMs(deployment);
    // Time alone ends a rollout that does not move.
    if (
      limit !== undefined &&
      progressing?.status === "True" &&
      progressing.reason !== "NewReplicaSetAvailable"
    ) {
      const since = Date.parse(String(progressing.lastUpdateTime ?? ""));
      this.#queue.addAfter(key, Math.max(PACE_MS, since + limit - this.#now() + 1000));
    }
    return status;
  }

  async #forget(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const kept = deployment.spec.revisionHistoryLimit ?? DEFAULT_HISTORY;
    const idle = old
      .filter((set) => replicasOf(set) === 0 && (set.status?.replicas ?? 0) === 0)
      .sort((a, b) => revisionOf(a) - revisionOf(b));
    for (const { metadata } of idle.slice(0, Math.max(0, old.length - kept)))
      await this.#client.delete(
        REPLICA_SETS,
        { namespace: metadata.namespace, name: metadata.name },
        { ...(metadata.uid !== undefined && { uid: metadata.uid }) },
      );
  }

  stop(): void {
    this.#queue.stop();
  }
}
