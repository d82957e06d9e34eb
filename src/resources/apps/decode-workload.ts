/**
 * @module Decoders of apps/v1 and batch/v1 workloads: what they make of pods.
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/ field lists as of 1.33
 */
import { decodePodSpec } from "../core/decode-pod-spec.ts";
import { type Cursor, type Fields, fieldNames, orAbsent, orElse } from "../decode/cursor.ts";
import {
  decodeLabels,
  decodeMetadata,
  METADATA_FIELDS,
  type Metadata,
  type ObjectInput,
} from "../decode/metadata.ts";
import { makeLabels, matchesLabels } from "../labels.ts";
import { decodeLabelSelector } from "../networking/decode-label-selector.ts";
import type { CronJob, DaemonSet, Deployment, Job, PodTemplate, ReplicaSet, StatefulSet } from "./types.ts";

const OBJECT: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec status");
const TEMPLATE: ReadonlySet<string> = fieldNames("apiVersion kind metadata spec");
const DEPLOYMENT: ReadonlySet<string> = fieldNames(`
  minReadySeconds paused progressDeadlineSeconds replicas revisionHistoryLimit selector strategy template`);
const REPLICA_SET: ReadonlySet<string> = fieldNames("minReadySeconds replicas selector template");
const STATEFUL_SET: ReadonlySet<string> = fieldNames(`
  minReadySeconds ordinals persistentVolumeClaimRetentionPolicy podManagementPolicy replicas revisionHistoryLimit
  selector serviceName template updateStrategy volumeClaimTemplates`);
const DAEMON_SET: ReadonlySet<string> = fieldNames(
  "minReadySeconds revisionHistoryLimit selector template updateStrategy",
);
const JOB: ReadonlySet<string> = fieldNames(`
  activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector
  maxFailedIndexes parallelism podFailurePolicy podReplacementPolicy selector successPolicy suspend template
  ttlSecondsAfterFinished`);
const JOB_TEMPLATE: ReadonlySet<string> = fieldNames("metadata spec");
const CRON_JOB: ReadonlySet<string> = fieldNames(`
  concurrencyPolicy failedJobsHistoryLimit jobTemplate schedule startingDeadlineSeconds successfulJobsHistoryLimit
  suspend timeZone`);

interface Opened {
  readonly metadata: Metadata;
  readonly spec: Fields | undefined;
}

function open(input: ObjectInput, known: ReadonlySet<string>): Opened {
  const metadata = decodeMetadata(input, { scope: "namespaced" });
  input.root.reportUnknown(OBJECT);
  const cursor = input.root.at("spec");
  if (cursor.isAbsent) cursor.required();
  return { metadata, spec: orAbsent(cursor.fields(known)) };
}

export function decodeDeployment(input: ObjectInput): Deployment | undefined {
  const opened = open(input, DEPLOYMENT);
  const template = decodeSelectedTemplate(opened.spec);
  return head(opened, template, { kind: "Deployment", replicas: decodeCount(opened.spec?.at("replicas")) });
}

export function decodeReplicaSet(input: ObjectInput): ReplicaSet | undefined {
  const opened = open(input, REPLICA_SET);
  const template = decodeSelectedTemplate(opened.spec);
  return head(opened, template, { kind: "ReplicaSet", replicas: decodeCount(opened.spec?.at("replicas")) });
}

export function decodeStatefulSet(input: ObjectInput): StatefulSet | undefined {
  const opened = open(input, STATEFUL_SET);
  const template = decodeSelectedTemplate(opened.spec);
  return head(opened, template, { kind: "StatefulSet", replicas: decodeCount(opened.spec?.at("replicas")) });
}

export function decodeDaemonSet(input: ObjectInput): DaemonSet | undefined {
  const opened = open(input, DAEMON_SET);
  return head(opened, decodeSelectedTemplate(opened.spec), { kind: "DaemonSet" });
}

export function decodeJob(input: ObjectInput): Job | undefined {
  const opened = open(input, JOB);
  const parallelism = decodeCount(opened.spec?.at("parallelism"));
  // A Job never runs more pods at a time than are left to complete.
  const completions = opened.spec?.at("completions");
  const most = completions && !completions.isAbsent ? decodeCount(completions) : parallelism;
  const template = opened.spec ? decodeTemplate(opened.spec.at("template")) : undefined;
  return head(opened, template, { kind: "Job", parallelism: Math.min(parallelism, most) });
}

export function decodeCronJob(input: ObjectInput): CronJob | undefined {
  const opened = open(input, CRON_JOB);
  const jobTemplate = orAbsent(opened.spec?.at("jobTemplate").fields(JOB_TEMPLATE));
  const jobSpec = orAbsent(jobTemplate?.at("spec").fields(JOB));
  if (opened.spec && !jobSpec) opened.spec.at("jobTemplate").required();
  return head(opened, jobSpec ? decodeTemplate(jobSpec.at("template")) : undefined, { kind: "CronJob" });
}

/** @returns undefined when the workload has no name or no template: it makes no pods that could be told */
function head<T extends object>(
  { metadata }: Opened,
  template: PodTemplate | undefined,
  own: T,
): (T & Metadata["head"] & { template: PodTemplate; owner?: NonNullable<Metadata["owner"]> }) | undefined {
  if (!metadata.isNamed || !template) return undefined;
  const { owner } = metadata;
  return { ...own, ...metadata.head, template, ...(owner ? { owner } : {}) };
}

/** Absent is one, as the API server defaults replicas and parallelism. */
function decodeCount(cursor: Cursor | undefined): number {
  if (!cursor) return 1;
  const count = orElse(cursor.integer(), 1);
  if (count >= 0) return count;
  cursor.invalid("invalid-count", "must be greater than or equal to 0");
  return 0;
}

function decodeTemplate(cursor: Cursor): PodTemplate | undefined {
  if (cursor.isAbsent) cursor.required();
  const fields = orAbsent(cursor.fields(TEMPLATE));
  if (!fields) return undefined;
  const metadata = orAbsent(fields.at("metadata").fields(METADATA_FIELDS));
  const labels = metadata ? orElse(decodeLabels(metadata.at("labels")), makeLabels([])) : makeLabels([]);
  return { labels, spec: decodePodSpec(fields.at("spec")) };
}

/** The template of a workload that finds its pods by a selector: the API server wants the two to agree. */
function decodeSelectedTemplate(spec: Fields | undefined): PodTemplate | undefined {
  if (!spec) return undefined;
  const cursor = spec.at("selector");
  if (cursor.isAbsent) cursor.required();
  const selector = orAbsent(decodeLabelSelector(cursor));
  const template = decodeTemplate(spec.at("template"));
  if (selector && template && !matchesLabels(selector, template.labels)) {
    const message = `Invalid value: ${JSON.stringify(template.labels)}: \`selector\` does not match template \`labels\``;
    spec.report.error({ code: "selector-mismatch", path: `${spec.path}.template.metadata.labels`, message });
  }
  return template;
}
