/** @module Which labels a selector selects, and which nodes a node selector. */

import type { NodeSelectorRequirement, NodeSelectorTerm } from "kubernetes-types/core/v1.js";
import type { LabelSelector } from "kubernetes-types/meta/v1.js";
import { ownValue } from "../base/own.ts";
import type { Node } from "../client/kinds.ts";

type Labels = Readonly<Record<string, string>> | undefined;

export function matchesAll(wanted: Labels, labels: Labels): boolean {
  for (const key in wanted) if (ownValue(labels, key) !== wanted[key]) return false;
  return true;
}

/** No selector selects nothing, an empty one everything. What cannot be read selects nothing. */
export function selects(selector: LabelSelector | undefined, labels: Labels): boolean {
  if (!selector || !matchesAll(selector.matchLabels, labels)) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values }) =>
    meets(ownValue(labels, key), operator, values ?? []),
  );
}

function meets(value: string | undefined, operator: string, values: readonly string[]): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(values[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** All requirements of a term hold; a term without any matches no node. */
export function matchesTerm(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  return (
    expressions.every((one) => requirementHolds(one, ownValue(node.metadata.labels, one.key))) &&
    fields.every((one) => one.key === "metadata.name" && requirementHolds(one, node.metadata.name))
  );
}

function requirementHolds({ operator, values }: NodeSelectorRequirement, value: string | undefined): boolean {
  return meets(value, operator, values ?? []);
}
