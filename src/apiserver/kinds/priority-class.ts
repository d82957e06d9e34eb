/** @module PriorityClasses, and those of them that every cluster has (k8s.io/api/scheduling/v1, pkg/apis/scheduling). */
import { at, stringAt } from "../json.ts";
import { forbidden, invalid, notSupported } from "../metadata.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

export interface SystemPriorityClass {
  readonly name: string;
  readonly value: number;
  readonly description: string;
}

export const SYSTEM_PRIORITY_CLASSES: readonly SystemPriorityClass[] = [
  {
    name: "system-node-critical",
    value: 2_000_001_000,
    description: "Used for system critical pods that must not be moved from their current node.",
  },
  {
    name: "system-cluster-critical",
    value: 2_000_000_000,
    description:
      "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
  },
];

const SYSTEM_PREFIX = "system-";
const MAX_USER_VALUE = 1_000_000_000;
export const DEFAULT_PREEMPTION = "PreemptLowerPriority";
const PREEMPTION_POLICIES = [DEFAULT_PREEMPTION, "Never"];

/** @returns undefined for one of the system's classes, as it is to be */
function systemFault(object: Draft): string | undefined {
  const { name } = object.metadata;
  const own = SYSTEM_PRIORITY_CLASSES.find((one) => one.name === name);
  if (!own) return `${name} is not a known system priority class`;
  if (object["value"] !== own.value) return `value of ${name} PriorityClass must be ${own.value}`;
  if (object["globalDefault"] === true) return `globalDefault of ${name} PriorityClass must be false`;
  return undefined;
}

function validateValue(object: Draft): StatusCause[] {
  if (object.metadata.name.startsWith(SYSTEM_PREFIX)) {
    const fault = systemFault(object);
    if (fault === undefined) return [];
    const words = "priority class names with 'system-' prefix are reserved for system use only. error:";
    return [forbidden("metadata.name", `${words} ${fault}`)];
  }
  const value = at(object, "value");
  return typeof value === "number" && value > MAX_USER_VALUE
    ? [forbidden("value", `maximum allowed value of a user defined priority is ${MAX_USER_VALUE}`)]
    : [];
}

export const PRIORITY_CLASS: Strategy = {
  setDefaults: (object) => {
    // Go leaves no number out.
    object["value"] ??= 0;
    object["preemptionPolicy"] ??= DEFAULT_PREEMPTION;
  },
  undeletable: ({ metadata }) =>
    SYSTEM_PRIORITY_CLASSES.some(({ name }) => name === metadata.name)
      ? "this is a system priority class and cannot be deleted"
      : undefined,
  validate: (object) => {
    const policy = stringAt(object, "preemptionPolicy") ?? "";
    return [
      ...validateValue(object),
      ...(PREEMPTION_POLICIES.includes(policy)
        ? []
        : [notSupported("preemptionPolicy", policy, PREEMPTION_POLICIES)]),
    ];
  },
  validateUpdate: (object, before) => [
    ...(object["value"] === before["value"] ? [] : [forbidden("value", "may not be changed in an update.")]),
    ...(object["preemptionPolicy"] === before["preemptionPolicy"]
      ? []
      : [invalid("preemptionPolicy", object["preemptionPolicy"], "field is immutable")]),
  ],
};
