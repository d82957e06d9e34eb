/** @module `…/scale`: the number of replicas of anything that has one (autoscaling/v1 Scale). */

import { timeText } from "../client/objects.ts";
import { arrayAt, at, isObject } from "./json.ts";
import { numberAt, selectorText } from "./resources/define.ts";
import type { Draft } from "./served.ts";
import { errors } from "./status-error.ts";

export function scaleOf(object: Readonly<Draft>): Record<string, unknown> {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = at(object, "spec", "selector");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      creationTimestamp: creationTimestamp ?? timeText(new Date(0)),
    },
    spec: { replicas: numberAt(object, "spec", "replicas") },
    status: {
      replicas: numberAt(object, "status", "replicas"),
      ...(isObject(selector) &&
        arrayAt(selector, "matchExpressions").length + Object.keys(selector).length > 0 && {
          selector: selectorText(selector),
        }),
    },
  };
}

/** @throws StatusError 422 */
export function setScale(object: Draft, scale: Record<string, unknown>): Draft {
  const replicas = at(scale, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0) {
    throw errors.invalid({ group: "autoscaling", kind: "Scale" }, object.metadata.name, [
      {
        reason: "FieldValueInvalid",
        message: `Invalid value: ${JSON.stringify(replicas)}: must be greater than or equal to 0`,
        field: "spec.replicas",
      },
    ]);
  }
  const spec = object["spec"];
  object["spec"] = { ...(isObject(spec) && spec), replicas };
  return object;
}
