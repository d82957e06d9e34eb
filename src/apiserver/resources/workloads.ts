/** @module apps and batch. */
import { arrayAt, at, stringAt } from "../json.ts";
import { field } from "../selectors.ts";
import type { Draft, ServedResource } from "../served.ts";
import { strategyOf } from "../strategies.ts";
import { age, humanDuration } from "../tables.ts";
import {
  column,
  count,
  define,
  labelsText,
  numberAt,
  SCALE,
  selectorText,
  statusOf,
  templateColumns,
} from "./define.ts";

const INTEGER = { type: "integer" } as const;
const STATUS_REPLICAS = { "status.replicas": field("status.replicas") };

function selectorColumn(): ReturnType<typeof column> {
  return column("Selector", (object) => selectorText(at(object, "spec", "selector")), { wide: true });
}

function jobDuration(object: Draft, now: number): string {
  const started = stringAt(object, "status", "startTime");
  if (started === undefined) return "";
  const ended = stringAt(object, "status", "completionTime");
  return humanDuration((ended === undefined ? now : Date.parse(ended)) - Date.parse(started));
}

function jobStatus(object: Draft): string {
  const conditions = arrayAt(object, "status", "conditions")
    .filter((one) => stringAt(one, "status") === "True")
    .map((one) => stringAt(one, "type"));
  if (conditions.includes("Complete")) return "Complete";
  if (conditions.includes("Failed")) return "Failed";
  if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
  if (conditions.includes("Suspended")) return "Suspended";
  return conditions.includes("FailureTarget") ? "FailureTarget" : "Running";
}

function completions(object: Draft): string {
  const done = numberAt(object, "status", "succeeded");
  const wanted = at(object, "spec", "completions");
  if (typeof wanted === "number") return `${done}/${wanted}`;
  const parallelism = numberAt(object, "spec", "parallelism");
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

export const WORKLOADS: readonly ServedResource[] = [
  define({
    group: "apps",
    kind: "Deployment",
    plural: "deployments",
    short: ["deploy"],
    categories: ["all"],
    subresources: [SCALE, statusOf("Deployment")],
    columns: [
      column(
        "Ready",
        (object) => `${numberAt(object, "status", "readyReplicas")}/${numberAt(object, "spec", "replicas")}`,
      ),
      column("Up-to-date", count("status", "updatedReplicas"), INTEGER),
      column("Available", count("status", "availableReplicas"), INTEGER),
    ],
    wide: [...templateColumns(), selectorColumn()],
    strategy: { ...strategyOf("Deployment"), hasStatus: true, hasGeneration: true },
  }),
  define({
    group: "apps",
    kind: "ReplicaSet",
    plural: "replicasets",
    short: ["rs"],
    categories: ["all"],
    subresources: [SCALE, statusOf("ReplicaSet")],
    columns: [
      column("Desired", count("spec", "replicas"), INTEGER),
      column("Current", count("status", "replicas"), INTEGER),
      column("Ready", count("status", "readyReplicas"), INTEGER),
    ],
    wide: [...templateColumns(), selectorColumn()],
    strategy: { ...strategyOf("ReplicaSet"), hasStatus: true, hasGeneration: true, fields: STATUS_REPLICAS },
  }),
  define({
    group: "apps",
    kind: "StatefulSet",
    plural: "statefulsets",
    short: ["sts"],
    categories: ["all"],
    subresources: [SCALE, statusOf("StatefulSet")],
    columns: [
      column(
        "Ready",
        (object) => `${numberAt(object, "status", "readyReplicas")}/${numberAt(object, "spec", "replicas")}`,
      ),
    ],
    wide: templateColumns(),
    strategy: { ...strategyOf("StatefulSet"), hasStatus: true, hasGeneration: true },
  }),
  define({
    group: "apps",
    kind: "DaemonSet",
    plural: "daemonsets",
    short: ["ds"],
    categories: ["all"],
    subresources: [statusOf("DaemonSet")],
    columns: [
      column("Desired", count("status", "desiredNumberScheduled"), INTEGER),
      column("Current", count("status", "currentNumberScheduled"), INTEGER),
      column("Ready", count("status", "numberReady"), INTEGER),
      column("Up-to-date", count("status", "updatedNumberScheduled"), INTEGER),
      column("Available", count("status", "numberAvailable"), INTEGER),
      column("Node Selector", (object) => labelsText(at(object, "spec", "template", "spec", "nodeSelector"))),
    ],
    wide: [...templateColumns(), selectorColumn()],
    strategy: { ...strategyOf("DaemonSet"), hasStatus: true, hasGeneration: true },
  }),
  define({
    group: "apps",
    kind: "ControllerRevision",
    plural: "controllerrevisions",
    columns: [
      column("Controller", (object) => {
        const owner = object.metadata.ownerReferences?.find(({ controller }) => controller);
        return owner
          ? `${owner.kind.toLowerCase()}.${owner.apiVersion.split("/")[0]}/${owner.name}`
          : "<none>";
      }),
      column("Revision", count("revision"), INTEGER),
    ],
  }),
  define({
    group: "batch",
    kind: "Job",
    plural: "jobs",
    categories: ["all"],
    subresources: [statusOf("Job")],
    columns: [
      column("Status", jobStatus),
      column("Completions", completions),
      column("Duration", (object, { now }) => jobDuration(object, now)),
    ],
    wide: [...templateColumns(), selectorColumn()],
    strategy: {
      ...strategyOf("Job"),
      hasStatus: true,
      hasGeneration: true,
      fields: { "status.successful": field("status.succeeded") },
    },
  }),
  define({
    group: "batch",
    kind: "CronJob",
    plural: "cronjobs",
    short: ["cj"],
    categories: ["all"],
    subresources: [statusOf("CronJob")],
    columns: [
      column("Schedule", (object) => stringAt(object, "spec", "schedule") ?? ""),
      column("Timezone", (object) => stringAt(object, "spec", "timeZone") ?? "<none>"),
      column("Suspend", (object) => (at(object, "spec", "suspend") === true ? "True" : "False")),
      column("Active", (object) => arrayAt(object, "status", "active").length, INTEGER),
      column("Last Schedule", (object, { now }) => {
        const last = stringAt(object, "status", "lastScheduleTime");
        return last === undefined ? "<none>" : age(last, now);
      }),
    ],
    strategy: { ...strategyOf("CronJob"), hasStatus: true, hasGeneration: true },
  }),
];
