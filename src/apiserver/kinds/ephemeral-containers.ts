/** @module Containers that are added to a pod that runs, and stay (`kubectl debug`): `pods/NAME/ephemeralcontainers`. */
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import { forbidden } from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Draft, Part } from "../served.ts";
import type { StatusCause } from "../status-error.ts";
import { type InPod, validateContainer } from "./container.ts";

const FIELD = "spec.ephemeralContainers";
/** A pod's resources were counted when it was scheduled, and nothing waits for these containers. */
const NOT_THEIRS = [
  "lifecycle",
  "livenessProbe",
  "ports",
  "readinessProbe",
  "resizePolicy",
  "startupProbe",
] as const;

function ephemeralOf(pod: Readonly<Draft>): readonly unknown[] {
  return arrayAt(pod, "spec", "ephemeralContainers");
}

/** Source: pkg/apis/core/validation, validateEphemeralContainers. */
export function validateEphemeralContainers(
  spec: unknown,
  specPath: string,
  inPod: Omit<InPod, "role">,
): StatusCause[] {
  const field = `${specPath}.ephemeralContainers`;
  const others = ["initContainers", "containers"].flatMap((list) => arrayAt(spec, list));
  const names = new Set(others.map((container) => stringAt(container, "name")));
  return arrayAt(spec, "ephemeralContainers").flatMap((container, place) => {
    const path = `${field}[${place}]`;
    const causes = validateContainer(container, path, { ...inPod, role: "ephemeral" });
    for (const foreign of NOT_THEIRS) {
      if (at(container, foreign) !== undefined)
        causes.push(forbidden(`${path}.${foreign}`, "cannot be set for an Ephemeral Container"));
    }
    if (Object.keys((at(container, "resources") ?? {}) as object).length > 0)
      causes.push(forbidden(`${path}.resources`, "cannot be set for an Ephemeral Container"));
    const target = stringAt(container, "targetContainerName");
    if (target && !names.has(target))
      causes.push({
        reason: "FieldValueNotFound",
        message: `Not found: ${JSON.stringify(target)}`,
        field: `${path}.targetContainerName`,
      });
    return causes;
  });
}

/** Nothing else of the pod is written here; and what is there stays as it is. */
export const EPHEMERAL_CONTAINERS: Part = {
  take: (made, before) => {
    const after = structuredClone(before);
    if (isObject(after["spec"]))
      after["spec"]["ephemeralContainers"] = structuredClone([...ephemeralOf(made)]);
    return after;
  },
  validateUpdate: (after, before) => {
    const present = new Map(ephemeralOf(after).map((container) => [stringAt(container, "name"), container]));
    return ephemeralOf(before).flatMap((container) => {
      const name = stringAt(container, "name") ?? "";
      const now = present.get(name);
      if (now === undefined)
        return [
          forbidden(FIELD, `existing ephemeral containers ${JSON.stringify(name)} may not be removed\n`),
        ];
      return jsonEqual(now, container)
        ? []
        : [forbidden(FIELD, `existing ephemeral containers ${JSON.stringify(name)} may not be changed\n`)];
    });
  },
};

/** They are not made with their pod. */
export function refuseEphemeralContainers(pod: Readonly<Draft>): StatusCause[] {
  return ephemeralOf(pod).length > 0 ? [forbidden(FIELD, "cannot be set on create")] : [];
}
