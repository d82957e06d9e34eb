/** @module What staged policies would change in an answer. */
import { verdict } from "../calc/verdict.ts";
import type { Verdict } from "../policy/verdict.ts";
import { Cluster, type ClusterOptions } from "./cluster.ts";
import { type Answer, answer, type Question } from "./question.ts";
import { isStaged } from "./staged.ts";

/** How many staged policies there are that can be previewed: Learn and Ignore cannot. */
export function previewable(cluster: Cluster): number {
  return [...cluster.objects].filter(
    (object) => isStaged(object) && (object.stagedAction === "Set" || object.stagedAction === "Delete"),
  ).length;
}

/**
 * The answer with staged policies enforced.
 *
 * @param current - synced, without them; `options` are those that it was made with
 * @returns undefined where nothing is staged, or no connection of either answer would be treated otherwise. Cost where
 *   something is staged: a second cluster
 */
export function previewAnswer(
  current: Cluster,
  options: ClusterOptions,
  question: Question,
): { readonly answer: Answer; readonly telling: Verdict | undefined } | undefined {
  if (options.staged || previewable(current) === 0) return undefined;
  const staged = new Cluster({ ...options, staged: true });
  staged.apply(current.objects);
  staged.sync();
  const before = answer(current, question);
  const after = answer(staged, question);
  // Pods that one of the two tells apart, the other may answer for together: each asks about the other's connections too.
  const isChanged =
    before.outcome !== after.outcome ||
    after.verdicts.some(({ flow, allowed }) => verdict(current.graph, flow).allowed !== allowed) ||
    before.verdicts.some(({ flow, allowed }) => verdict(staged.graph, flow).allowed !== allowed);
  if (!isChanged) return undefined;
  const wanted = after.outcome === "allow";
  const changed = after.verdicts.filter(
    ({ flow, allowed }) => verdict(current.graph, flow).allowed !== allowed,
  );
  return {
    answer: after,
    telling: changed.find(({ allowed }) => allowed === wanted) ?? changed[0] ?? after.verdicts[0],
  };
}
