/**
 * @module What is legal and enforced as written, yet hardly what its author meant: findings over the whole input.
 *
 * Each check says what it costs; together they are linear in objects, rules and selector members, and evaluate no selector
 * that the graph has evaluated. Where pairs are compared, there is an upper bound.
 */
import type { Issue } from "../base/issue.ts";
import { objectName } from "../resources/object.ts";
import type { Cluster } from "./cluster.ts";
import { closedHosts, closedPods, logOnly } from "./lint-closed.ts";
import { hostEndpoints, hostsWithoutAddresses, ignoredOnWorkloads, selectsHosts } from "./lint-hosts.ts";
import { equalOrder } from "./lint-order.ts";
import { builtInTiers, directionsByDefault, references, staged, unknownTiers } from "./lint-references.ts";
import { missingLabels, notSelectors, selectsNothing } from "./lint-selectors.ts";
import { untrackedOneWay } from "./lint-untracked.ts";
import { type LintView, viewOf } from "./lint-view.ts";

const CHECKS: readonly ((view: LintView) => Iterable<Issue>)[] = [
  unknownTiers,
  builtInTiers,
  equalOrder,
  closedHosts,
  closedPods,
  logOnly,
  directionsByDefault,
  hostEndpoints,
  hostsWithoutAddresses,
  selectsHosts,
  ignoredOnWorkloads,
  untrackedOneWay,
  missingLabels,
  notSelectors,
  selectsNothing,
  references,
  staged,
];

/**
 * @param cluster - synced; its issues of reading are not told again
 * @returns warnings in the order of the input's objects, each with a code, a place and what to do. Cost: see the checks;
 *   10,000 policies and 100,000 pods take seconds
 */
export function lintCluster(cluster: Cluster): readonly Issue[] {
  const view = viewOf(cluster);
  const places = new Map(view.objects.map((object, index) => [objectName(object), index]));
  const place = ({ object = "" }: Issue): number => places.get(object) ?? places.size;
  const issues: Issue[] = [];
  for (const check of CHECKS) for (const issue of check(view)) issues.push(issue);
  return issues.sort((a, b) => place(a) - place(b));
}
