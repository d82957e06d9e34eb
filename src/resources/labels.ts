/** @module Building, changing and matching labels. */
import { ownValue } from "../base/own.ts";
import type { LabelRequirement, LabelSelector } from "./networking/types.ts";
import type { Labels } from "./object.ts";

/**
 * Without a prototype: `constructor` and `toString` are valid label keys, and looking one up on an object that has not
 * got it must give undefined.
 */
export function makeLabels(entries: Iterable<readonly [string, string]>): Labels {
  const labels: Record<string, string> = Object.create(null) as Record<string, string>;
  // eslint-disable-next-line no-restricted-syntax -- it inherits nothing
  for (const [key, value] of entries) labels[key] = value;
  return labels;
}

/** Set by the API server on every Namespace; requests cannot change it. */
export const NAMESPACE_NAME_LABEL: string = "kubernetes.io/metadata.name";

/**
 * What `kubectl label --overwrite` leaves.
 * @param changes - values to set; null removes the label
 */
export function applyLabels<
  T extends { readonly kind: string; readonly name: string; readonly labels: Labels },
>(object: T, changes: Readonly<Record<string, string | null>>): T {
  const labels = new Map(Object.entries(object.labels));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) labels.delete(key);
    else labels.set(key, value);
  }
  if (object.kind === "Namespace") labels.set(NAMESPACE_NAME_LABEL, object.name);
  return { ...object, labels: makeLabels(labels) };
}

/** Whether plain labels match, of what is no endpoint and has no selectors of the model. */
export function matchesLabels(selector: LabelSelector, labels: Labels): boolean {
  return selector.requirements.every((requirement) => {
    const value = ownValue(labels, requirement.key);
    return holds(requirement, value);
  });
}

function holds({ operator, values }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
