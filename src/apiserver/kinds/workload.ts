/** @module Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs, CronJobs: defaults and validation. */
import { ownValue } from "../../base/own.ts";
import { arrayAt, at, isObject, stringAt } from "../json.ts";
import { forbidden, invalid, required, validateLabels } from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";
import { defaultPodSpec, validatePodSpec } from "./pod.ts";

export function specOf(object: Draft): Record<string, unknown> {
  const spec = object["spec"];
  if (isObject(spec)) return spec;
  const made = {};
  object["spec"] = made;
  return made;
}

export function defaultTemplate(spec: Record<string, unknown>): void {
  const template = spec["template"];
  if (isObject(template)) defaultPodSpec(template["spec"]);
}

/** A label selector as a test. */
export function selects(selector: unknown, labels: Readonly<Record<string, unknown>>): boolean {
  const wanted = Object.entries((at(selector, "matchLabels") ?? {}) as Record<string, unknown>);
  if (!wanted.every(([key, value]) => ownValue(labels, key) === value)) return false;
  return arrayAt(selector, "matchExpressions").every((expression) => {
    const value = ownValue(labels, stringAt(expression, "key") ?? "");
    const values = arrayAt(expression, "values");
    switch (stringAt(expression, "operator")) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      default:
        return value === undefined;
    }
  });
}

function isEmptySelector(selector: unknown): boolean {
  return (
    Object.keys((at(selector, "matchLabels") ?? {}) as object).length === 0 &&
    arrayAt(selector, "matchExpressions").length === 0
  );
}

export function validateTemplate(object: Draft, restartPolicies: readonly string[]): StatusCause[] {
  const spec = object["spec"];
  const template = at(spec, "template");
  const labels = (at(template, "metadata", "labels") ?? {}) as Record<string, unknown>;
  const causes = [
    ...validateLabels(labels, "spec.template.metadata.labels"),
    ...validatePodSpec(at(template, "spec"), "spec.template.spec"),
  ];
  if (arrayAt(template, "spec", "ephemeralContainers").length > 0)
    causes.push(
      forbidden("spec.template.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"),
    );
  const policy = stringAt(template, "spec", "restartPolicy");
  if (policy !== undefined && !restartPolicies.includes(policy)) {
    const list = restartPolicies.map((one) => JSON.stringify(one)).join(", ");
    causes.push({
      reason: "FieldValueNotSupported",
      message: `Unsupported value: ${JSON.stringify(policy)}: supported values: ${list}`,
      field: "spec.template.spec.restartPolicy",
    });
  }
  return causes;
}

function validateSelector(object: Draft): StatusCause[] {
  const selector = at(object, "spec", "selector");
  if (selector === undefined) return [required("spec.selector")];
  if (isEmptySelector(selector))
    return [invalid("spec.selector", selector, `empty selector is invalid for ${object.kind.toLowerCase()}`)];
  const labels = (at(object, "spec", "template", "metadata", "labels") ?? {}) as Record<string, unknown>;
  if (selects(selector, labels)) return [];
  return [invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")];
}

function validateReplicas(object: Draft): StatusCause[] {
  const replicas = at(object, "spec", "replicas");
  return typeof replicas === "number" && replicas < 0
    ? [invalid("spec.replicas", replicas, "must be greater than or equal to 0")]
    : [];
}

function immutable(object: Draft, before: Draft, ...fields: readonly string[]): StatusCause[] {
  return fields.flatMap((field) => {
    const now = at(object, "spec", field);
    return jsonEqual(now, at(before, "spec", field))
      ? []
      : [invalid(`spec.${field}`, now, "field is immutable")];
  });
}

export const DEPLOYMENT: Strategy = {
  setDefaults: (object) => {
    const spec = specOf(object);
    spec["replicas"] ??= 1;
    spec["revisionHistoryLimit"] ??= 10;
    spec["progressDeadlineSeconds"] ??= 600;
    const strategy = isObject(spec["strategy"]) ? spec["strategy"] : {};
    spec["strategy"] = strategy;
    strategy["type"] ??= "RollingUpdate";
    if (strategy["type"] === "RollingUpdate") {
      const rolling = isObject(strategy["rollingUpdate"]) ? strategy["rollingUpdate"] : {};
      strategy["rollingUpdate"] = rolling;
      rolling["maxSurge"] ??= "25%";
      rolling["maxUnavailable"] ??= "25%";
    } else delete strategy["rollingUpdate"];
    defaultTemplate(spec);
  },
  prepareCreate: (object) => {
    object["status"] = {};
  },
  validate: (object) => [
    ...validateReplicas(object),
    ...validateSelector(object),
    ...validateTemplate(object, ["Always"]),
  ],
  validateUpdate: (object, before) => immutable(object, before, "selector"),
};

export const REPLICA_SET: Strategy = {
  setDefaults: (object) => {
    const spec = specOf(object);
    spec["replicas"] ??= 1;
    defaultTemplate(spec);
  },
  prepareCreate: (object) => {
    object["status"] = { replicas: 0 };
  },
  validate: (object) => [
    ...validateReplicas(object),
    ...validateSelector(object),
    ...validateTemplate(object, ["Always"]),
  ],
  validateUpdate: (object, before) => immutable(object, before, "selector"),
};

export const STATEFUL_SET: Strategy = {
  setDefaults: (object) => {
    const spec = specOf(object);
    spec["replicas"] ??= 1;
    spec["podManagementPolicy"] ??= "OrderedReady";
    spec["revisionHistoryLimit"] ??= 10;
    spec["serviceName"] ??= "";
    const strategy = isObject(spec["updateStrategy"]) ? spec["updateStrategy"] : {};
    spec["updateStrategy"] = strategy;
    strategy["type"] ??= "RollingUpdate";
    if (strategy["type"] === "RollingUpdate") strategy["rollingUpdate"] ??= { partition: 0 };
    spec["persistentVolumeClaimRetentionPolicy"] ??= { whenDeleted: "Retain", whenScaled: "Retain" };
    defaultTemplate(spec);
  },
  prepareCreate: (object) => {
    object["status"] = { replicas: 0, availableReplicas: 0 };
  },
  validate: (object) => {
    const claims = arrayAt(object, "spec", "volumeClaimTemplates");
    return [
      ...validateReplicas(object),
      ...validateSelector(object),
      ...validateTemplate(object, ["Always"]),
      ...(claims.length > 0
        ? [
            {
              reason: "FieldValueForbidden",
              message: "Forbidden: there are no persistent volumes on this machine; use emptyDir",
              field: "spec.volumeClaimTemplates",
            },
          ]
        : []),
    ];
  },
  validateUpdate: (object, before) => {
    const free = [
      "replicas",
      "ordinals",
      "template",
      "updateStrategy",
      "revisionHistoryLimit",
      "persistentVolumeClaimRetentionPolicy",
      "minReadySeconds",
    ];
    const rest = (one: Draft): unknown =>
      Object.fromEntries(Object.entries(specOf(one)).filter(([field]) => !free.includes(field)));
    if (jsonEqual(rest(object), rest(before))) return [];
    return [
      {
        reason: "FieldValueForbidden",
        message:
          "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        field: "spec",
      },
    ];
  },
};

export const DAEMON_SET: Strategy = {
  setDefaults: (object) => {
    const spec = specOf(object);
    spec["revisionHistoryLimit"] ??= 10;
    const strategy = isObject(spec["updateStrategy"]) ? spec["updateStrategy"] : {};
    spec["updateStrategy"] = strategy;
    strategy["type"] ??= "RollingUpdate";
    if (strategy["type"] === "RollingUpdate") {
      const rolling = isObject(strategy["rollingUpdate"]) ? strategy["rollingUpdate"] : {};
      strategy["rollingUpdate"] = rolling;
      rolling["maxUnavailable"] ??= 1;
      rolling["maxSurge"] ??= 0;
    }
    defaultTemplate(spec);
  },
  prepareCreate: (object) => {
    object["status"] = {
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
    };
  },
  validate: (object) => [...validateSelector(object), ...validateTemplate(object, ["Always"])],
  validateUpdate: (object, before) => immutable(object, before, "selector"),
};

function prepareJob(spec: Record<string, unknown>, uid: string, name: string): void {
  const template = spec["template"];
  if (!isObject(template)) return;
  if (spec["manualSelector"] === true) return;
  const metadata = isObject(template["metadata"]) ? template["metadata"] : {};
  template["metadata"] = metadata;
  metadata["labels"] = {
    ...(metadata["labels"] as object | undefined),
    "controller-uid": uid,
    "job-name": name,
    "batch.kubernetes.io/controller-uid": uid,
    "batch.kubernetes.io/job-name": name,
  };
  spec["selector"] = { matchLabels: { "batch.kubernetes.io/controller-uid": uid } };
}

function defaultJob(spec: Record<string, unknown>): void {
  if (spec["completions"] === undefined && spec["parallelism"] === undefined) spec["completions"] = 1;
  spec["parallelism"] ??= 1;
  spec["backoffLimit"] ??= 6;
  spec["completionMode"] ??= "NonIndexed";
  spec["suspend"] ??= false;
  spec["podReplacementPolicy"] ??= "TerminatingOrFailed";
  defaultTemplate(spec);
}

export const JOB: Strategy = {
  setDefaults: (object) => defaultJob(specOf(object)),
  prepareCreate: (object) => {
    object["status"] = {};
    // The API server leaves a template's restart policy to the user: Always is no policy for a Job.
    prepareJob(specOf(object), object.metadata.uid ?? "", object.metadata.name);
  },
  validate: (object) => validateTemplate(object, ["OnFailure", "Never"]),
  validateUpdate: (object, before) => immutable(object, before, "selector", "template", "completionMode"),
};
