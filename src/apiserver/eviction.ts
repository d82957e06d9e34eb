/** @module Evictions: deletions of pods that a disruption budget may refuse (policy/v1, registry/core/pod/storage). */
import type { Api } from "./api.ts";
import { checkPreconditions } from "./deletion.ts";
import { deleteRequestOf } from "./exchange.ts";
import { arrayAt, at, isObject, stringAt } from "./json.ts";
import { selects } from "./kinds/workload.ts";
import { objectOf } from "./objects.ts";
import type { Place } from "./operations.ts";
import { numberAt } from "./resources/define.ts";
import type { Draft } from "./served.ts";
import { errors } from "./status-error.ts";
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
  if (isDisruptable(pod)) await takeDisruptions(api, pod, caller);
  // What was counted is this pod: one that took its name meanwhile is not deleted in its place.
  const { uid } = pod.metadata;
  return pods.delete(place, { ...request, ...(uid !== undefined && { uid }) }, caller);
}

async function takeDisruptions(api: Api, pod: Readonly<Draft>, caller: Caller): Promise<void> {
  const budgets = api.storage("policy", "v1", "poddisruptionbudgets");
  if (!budgets) return;
  const { entries } = await budgets.list({
    namespace: pod.metadata.namespace,
    test: undefined,
    limit: undefined,
    continue: undefined,
    revision: undefined,
  });
  for (const entry of entries) {
    const budget = objectOf(entry);
    const selector = at(budget, "spec", "selector");
    if (selector === undefined || !selects(selector, pod.metadata.labels ?? {})) continue;
    if (mayAlwaysGo(pod, budget) || (await takeDisruption(budgets, budget, caller))) continue;
    throw errors.tooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", {
      causes: [
        {
          reason: "DisruptionBudget",
          message: `The disruption budget ${budget.metadata.name} needs ${numberAt(budget, "status", "desiredHealthy")} healthy pods and has ${numberAt(budget, "status", "currentHealthy")} currently`,
          field: "",
        },
      ],
    });
  }
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
async function takeDisruption(budgets: Storage, budget: Readonly<Draft>, caller: Caller): Promise<boolean> {
  const { namespace, name } = budget.metadata;
  let isAllowed = false;
  await budgets.change(
    { namespace, name },
    (now) => {
      const status = isObject(now["status"]) ? now["status"] : {};
      const allowed = status["disruptionsAllowed"];
      isAllowed = typeof allowed === "number" && allowed > 0;
      if (isAllowed) now["status"] = { ...status, disruptionsAllowed: (allowed as number) - 1 };
      return now;
    },
    caller,
    "status",
  );
  return isAllowed;
}
