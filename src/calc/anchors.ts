/**
 * @module Where a selector can be found, and where its members can: bounds that follow from its syntax tree. A selector
 * that can only select endpoints of one namespace, or with one label, is looked for only there.
 */
import type { Selectable, Selector } from "../policy/selector.ts";

/** A fact that every subject selected by a selector must have, as text: `n:prod`, `l:app=web`, `k:app`, `m:team=a`. */
export type Anchor = string;

export const namespaceAnchor = (name: string): Anchor => `n:${name}`;
export const labelAnchor = (key: string, value: string): Anchor => `l:${key}=${value}`;
export const keyAnchor = (key: string): Anchor => `k:${key}`;
export const namespaceLabelAnchor = (key: string, value: string): Anchor => `m:${key}=${value}`;

/**
 * Sets of anchors, each enough on its own: a subject is selected only if it has at least one anchor of every set.
 * Best bound first. Empty: nothing can be said.
 */
export function anchorBounds(selector: Selector): readonly (readonly Anchor[])[] {
  switch (selector.kind) {
    case "none":
      return [[]];
    case "namespace":
      return [selector.names.map(namespaceAnchor)];
    case "label":
      return labelBounds(selector);
    case "and":
      return selector.terms.flatMap(anchorBounds).sort((a, b) => rank(a) - rank(b));
    case "or": {
      const bounds = selector.terms.map((term) => anchorBounds(term)[0]);
      if (bounds.some((bound) => bound === undefined)) return [];
      return [bounds.flatMap((bound) => bound ?? [])];
    }
    default:
      return [];
  }
}

function labelBounds(selector: Extract<Selector, { kind: "label" }>): readonly (readonly Anchor[])[] {
  const { of, key, test } = selector;
  if (of === "service-account" || of === "identity" || test.op === "not-in") return [];
  if (test.op === "in") {
    return [
      test.values.map((value) =>
        of === "endpoint" ? labelAnchor(key, value) : namespaceLabelAnchor(key, value),
      ),
    ];
  }
  return of === "endpoint" ? [[keyAnchor(key)]] : [];
}

const RANKS: Readonly<Record<string, number>> = { n: 0, l: 1, m: 2, k: 3 };

function rank(bound: readonly Anchor[]): number {
  const [first] = bound;
  return first === undefined ? -1 : (RANKS[first.charAt(0)] ?? 9);
}

/** Every anchor that a subject has. `labels` are those that selectors mention. */
export function anchorsOf(subject: Selectable): Anchor[] {
  const anchors = [namespaceAnchor(subject.namespace)];
  for (const [key, value] of Object.entries(subject.labels))
    anchors.push(labelAnchor(key, value), keyAnchor(key));
  for (const [key, value] of Object.entries(subject.namespaceLabels))
    anchors.push(namespaceLabelAnchor(key, value));
  return anchors;
}
