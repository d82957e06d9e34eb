/** @module Evictions: deletions of pods that a disruption budget may refuse (policy/v1, registry/core/pod/storage). */
import type { Entry } from "../store/store.ts";
import type { Api } from "./api.ts";
import { checkPreconditions } from "./deletion.ts";
import { deleteRequestOf } from "./exchange.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { selects } from "./kinds/workload.ts";
import { objectOf } from "./objects.ts";
import type { Place } from "./operations.ts";
import { numberAt } from "./resources/define.ts";
import type { Draft } from "./served.ts";
import { errors, StatusError } from "./status-error.ts";
import type { Caller, DeleteAnswer, Storage } from "./storage.ts";

/** @throws StatusError 409 when it is not the pod that was meant, 429 when a budget does not allow it now */
export async function evict(
  api: Api,
  pods: Storage,
  place: Place,
  eviction: Record<string, unknown>,
  asking: Caller,
): Promise<DeleteAnswer> {
  const named = stringAt(eviction, "metadata", "name");
  if (named && named !== place.name)
    throw errors.badRequest("name in URL does not match name in Eviction object");
  const { request, dryRun } = deleteRequestOf(eviction["deleteOptions"]);
  const caller = { ...asking, dryRun: asking.dryRun || dryRun };
  const pod = await pods.get(place.namespace, place.name);
  checkPreconditions(pods.resource, pod, request);
  const taken = isDisruptable(pod) ? await takeDisruption(api, pod, caller) : undefined;
  // What was counted is this pod: one that took its name meanwhile is not deleted in its place.
  const { uid } = pod.metadata;
  try {
    return await pods.delete(place, { ...request, ...(uid !== undefined && { uid }) }, caller);
  } catch (error) {
    // A store that fails here, too, leaves it to the controller's next count.
    await taken?.giveBack().catch(() => undefined);
    throw error;
  }
}

/** One disruption that a budget allows no more. */
interface Charge {
  giveBack(): Promise<void>;
}

/** @returns undefined when it costs nobody anything. @throws StatusError 429, 500 */
async function takeDisruption(api: Api, pod: Readonly<Draft>, caller: Caller): Promise<Charge | undefined> {
  const budgets = api.storage("policy", "v1", "poddisruptionbudgets");
  if (!budgets) return undefined;
  const { entries } = await budgets.list({
    namespace: pod.metadata.namespace,
    test: (budget) => {
      const selector = at(budget, "spec", "selector");
      return selector !== undefined && selects(selector, pod.metadata.labels ?? {});
    },
    limit: undefined,
    continue: undefined,
    revision: undefined,
  });
  // Of several, one could allow it and be charged before the next refuses.
  if (entries.length > 1)
    throw new StatusError(
      500,
      "InternalError",
      "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    );
  const budget = entries[0] && objectOf(entries[0]);
  return budget && !mayAlwaysGo(pod, budget) ? charge(budgets, budget.metadata, caller) : undefined;
}

/** A pod that is over, does not run yet, or goes already, costs nobody anything. */
function isDisruptable(pod: Readonly<Draft>): boolean {
  const phase = stringAt(pod, "status", "phase");
  const isOver = phase === "Succeeded" || phase === "Failed" || phase === "Pending";
  return !isOver && pod.metadata.deletionTimestamp === undefined;
}

/** One that does not serve is no loss, where the others are enough or the budget says so. */
function mayAlwaysGo(pod: Readonly<Draft>, budget: Readonly<Draft>): boolean {
  const isReady = arrayAt(pod, "status", "conditions").some(
    (one) => stringAt(one, "type") === "Ready" && stringAt(one, "status") === "True",
  );
  if (isReady) return false;
  if (stringAt(budget, "spec", "unhealthyPodEvictionPolicy") === "AlwaysAllow") return true;
  const desired = numberAt(budget, "status", "desiredHealthy");
  return desired > 0 && numberAt(budget, "status", "currentHealthy") >= desired;
}

/** Counts one disruption off a budget, so that the next eviction knows of it before the controller has counted anew. */
async function charge(
  budgets: Storage,
  { namespace, name }: Draft["metadata"],
  caller: Caller,
): Promise<Charge> {
  const change = (by: (budget: Draft) => number): Promise<Entry> =>
    budgets.change(
      { namespace, name },
      (now) => {
        now["status"] = { ...statusOf(now), disruptionsAllowed: allowedBy(now) + by(now) };
        return now;
      },
      caller,
      "status",
    );
  const { modified } = await change((now) => {
    checkAllowed(now);
    return -1;
  });
  return {
    giveBack: async () => {
      // Whoever has written it since has counted anew, or takes a pod after which that will be done.
      await change(({ metadata }) => (metadata.resourceVersion === String(modified) ? 1 : 0));
    },
  };
}

/** @throws StatusError 429 */
function checkAllowed(budget: Draft): void {
  const { name, generation = 0 } = budget.metadata;
  const needs = `needs ${numberAt(budget, "status", "desiredHealthy")} healthy pods and has ${numberAt(budget, "status", "currentHealthy")} currently`;
  // What is allowed was counted for another selector, or another number.
  const isStale = numberAt(budget, "status", "observedGeneration") < generation;
  if (!isStale && allowedBy(budget) > 0) return;
  const message = `The disruption budget ${name} ${isStale ? "is still being processed by the server." : needs}`;
  throw errors.tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: "DisruptionBudget", message, field: "" }],
  });
}

function statusOf(budget: Draft): Record<string, unknown> {
  return isObject(budget["status"]) ? budget["status"] : {};
}

function allowedBy(budget: Draft): number {
  return numberAt(budget, "status", "disruptionsAllowed");
}
