/**
 * @module Selectors as syntax trees with typed fields. A selector says which endpoints it means; namespace, name and
 * service account are fields of their own, never labels with a magic prefix, so no label that a pod's author writes
 * can make the pod look like a member of another namespace.
 */

import { unreachable } from "../base/errors.ts";
import { ownValue } from "../base/own.ts";
import type { Labels } from "../resources/object.ts";

/** Whose labels are tested. `identity`: what the subject belongs to, under the keys `namespace` and `serviceaccount`. */
export type LabelScope = "endpoint" | "namespace" | "service-account" | "identity";

export type LabelTest =
  | { readonly op: "in"; readonly values: readonly string[] }
  /** True as well where the label is missing. @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
  | { readonly op: "not-in"; readonly values: readonly string[] }
  | { readonly op: "exists" }
  | { readonly op: "contains"; readonly value: string }
  | { readonly op: "starts-with"; readonly value: string }
  | { readonly op: "ends-with"; readonly value: string };

/** `workload`: one that is no pod, such as a virtual machine's. */
export type SubjectKind = "pod" | "workload" | "host" | "network-set";

export type Selector =
  | { readonly kind: "all" }
  | { readonly kind: "none" }
  | { readonly kind: "and"; readonly terms: readonly Selector[] }
  | { readonly kind: "or"; readonly terms: readonly Selector[] }
  | { readonly kind: "not"; readonly term: Selector }
  | { readonly kind: "label"; readonly of: LabelScope; readonly key: string; readonly test: LabelTest }
  | { readonly kind: "namespace"; readonly names: readonly string[] }
  | { readonly kind: "service-account"; readonly names: readonly string[] }
  | { readonly kind: "subject-kind"; readonly kinds: readonly SubjectKind[] };

/** What a selector is asked about: an endpoint's or a network set's own facts, and those of what it belongs to. */
export interface Selectable {
  readonly kind: SubjectKind;
  /** "" for what belongs to no namespace (host endpoints, global network sets). */
  readonly namespace: string;
  readonly labels: Labels;
  readonly namespaceLabels: Labels;
  /** "" where there is none. */
  readonly serviceAccount: string;
  readonly serviceAccountLabels: Labels;
}

export const ALL: Selector = { kind: "all" };
export const NONE: Selector = { kind: "none" };

/** Labels come from users: a label called `constructor` must not be found on an object that has none. */
export function labelOf(labels: Labels, key: string): string | undefined {
  return ownValue(labels, key);
}

/** Whether a label's value, or its absence, passes the test. */
export function passes(test: LabelTest, value: string | undefined): boolean {
  switch (test.op) {
    case "in":
      return value !== undefined && test.values.includes(value);
    case "not-in":
      return value === undefined || !test.values.includes(value);
    case "exists":
      return value !== undefined;
    case "contains":
      return value?.includes(test.value) ?? false;
    case "starts-with":
      return value?.startsWith(test.value) ?? false;
    case "ends-with":
      return value?.endsWith(test.value) ?? false;
    default:
      return unreachable(test);
  }
}

function labelsInScope(of: LabelScope, subject: Selectable): Labels {
  switch (of) {
    case "endpoint":
      return subject.labels;
    case "namespace":
      return subject.namespaceLabels;
    case "service-account":
      return subject.serviceAccountLabels;
    case "identity":
      return {
        ...(subject.namespace !== "" && { namespace: subject.namespace }),
        ...(subject.serviceAccount !== "" && { serviceaccount: subject.serviceAccount }),
      };
    default:
      return unreachable(of);
  }
}

/** Whether the selector means this subject. Cost: the size of the selector. */
export function selects(selector: Selector, subject: Selectable): boolean {
  switch (selector.kind) {
    case "all":
      return true;
    case "none":
      return false;
    case "and":
      return selector.terms.every((term) => selects(term, subject));
    case "or":
      return selector.terms.some((term) => selects(term, subject));
    case "not":
      return !selects(selector.term, subject);
    case "label":
      return passes(selector.test, labelOf(labelsInScope(selector.of, subject), selector.key));
    case "namespace":
      return selector.names.includes(subject.namespace);
    case "service-account":
      return selector.names.includes(subject.serviceAccount);
    case "subject-kind":
      return selector.kinds.includes(subject.kind);
    default:
      return unreachable(selector);
  }
}

/** All of the terms, without needless nesting; no terms select everything. */
export function allOf(terms: readonly Selector[]): Selector {
  const flat = terms.flatMap((term) =>
    term.kind === "and" ? term.terms : term.kind === "all" ? [] : [term],
  );
  if (flat.some((term) => term.kind === "none")) return NONE;
  const [only] = flat;
  if (only === undefined) return ALL;
  return flat.length === 1 ? only : { kind: "and", terms: flat };
}

function quote(value: string): string {
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

function quoteSorted(values: readonly string[]): string {
  return [...new Set(values)].sort().map(quote).join(", ");
}

const SCOPE_PREFIX: Readonly<Record<LabelScope, string>> = {
  endpoint: "",
  namespace: "namespace.",
  "service-account": "serviceaccount.",
  identity: "projectcalico.org/",
};

function formatLabel(selector: Extract<Selector, { kind: "label" }>): string {
  const name = SCOPE_PREFIX[selector.of] + selector.key;
  const test = selector.test;
  switch (test.op) {
    case "in":
      return test.values.length === 1
        ? `${name} == ${quoteSorted(test.values)}`
        : `${name} in {${quoteSorted(test.values)}}`;
    case "not-in":
      return test.values.length === 1
        ? `${name} != ${quoteSorted(test.values)}`
        : `${name} not in {${quoteSorted(test.values)}}`;
    case "exists":
      return `has(${name})`;
    case "contains":
      return `${name} contains ${quote(test.value)}`;
    case "starts-with":
      return `${name} starts with ${quote(test.value)}`;
    case "ends-with":
      return `${name} ends with ${quote(test.value)}`;
    default:
      return unreachable(test);
  }
}

/**
 * The canonical text of a selector: equal text means equal selectors, so it is the key under which selectors are
 * shared. Terms of `and` and `or` are sorted, values too.
 */
export function formatSelector(selector: Selector): string {
  switch (selector.kind) {
    case "all":
      return "all()";
    case "none":
      return "none()";
    case "and":
      return `(${selector.terms.map(formatSelector).sort().join(" && ")})`;
    case "or":
      return `(${selector.terms.map(formatSelector).sort().join(" || ")})`;
    case "not":
      return `!${formatSelector(selector.term)}`;
    case "label":
      return formatLabel(selector);
    case "namespace":
      return `namespace in {${quoteSorted(selector.names)}}`;
    case "service-account":
      return `serviceaccount in {${quoteSorted(selector.names)}}`;
    case "subject-kind":
      return `kind in {${quoteSorted(selector.kinds)}}`;
    default:
      return unreachable(selector);
  }
}

/** Any of the terms, without needless nesting; no terms select nothing. */
export function anyOf(terms: readonly Selector[]): Selector {
  const flat = terms.flatMap((term) =>
    term.kind === "or" ? term.terms : term.kind === "none" ? [] : [term],
  );
  if (flat.some((term) => term.kind === "all")) return ALL;
  const [only] = flat;
  if (only === undefined) return NONE;
  return flat.length === 1 ? only : { kind: "or", terms: flat };
}

/** The complement; a double negation cancels. */
export function negate(term: Selector): Selector {
  switch (term.kind) {
    case "all":
      return NONE;
    case "none":
      return ALL;
    case "not":
      return term.term;
    default:
      return { kind: "not", term };
  }
}

/** Calls `visit` for each label test in the selector, whatever stands around it. */
export function eachLabel(selector: Selector, visit: (of: LabelScope, key: string) => void): void {
  switch (selector.kind) {
    case "and":
    case "or":
      for (const term of selector.terms) eachLabel(term, visit);
      return;
    case "not":
      eachLabel(selector.term, visit);
      return;
    case "label":
      visit(selector.of, selector.key);
      return;
    default:
      return;
  }
}
