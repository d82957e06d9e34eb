/** @module CronJobs: defaults and validation (pkg/apis/batch/validation). */

import { scheduleFault } from "../../resources/cron.ts";
import { at, isObject, stringAt } from "../json.ts";
import { invalid, notSupported, required } from "../metadata.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";
import { defaultTemplate, specOf, validateTemplate } from "./workload.ts";

const CONCURRENCY = ["Allow", "Forbid", "Replace"];
/** A Job's name is the CronJob's, with a time behind it. */
const MAX_NAME = 52;

export const CRON_JOB: Strategy = {
  setDefaults: (object) => {
    const spec = specOf(object);
    spec["concurrencyPolicy"] ??= "Allow";
    spec["suspend"] ??= false;
    spec["successfulJobsHistoryLimit"] ??= 3;
    spec["failedJobsHistoryLimit"] ??= 1;
    const template = at(spec, "jobTemplate", "spec");
    if (isObject(template)) defaultTemplate(template);
  },
  prepareCreate: (object) => {
    object["status"] = {};
  },
  validate: (object) => {
    const job = { ...object, spec: at(object, "spec", "jobTemplate", "spec") };
    return [
      ...validateTimes(object),
      ...validateTemplate(job, ["OnFailure", "Never"]).map((cause) => ({
        ...cause,
        field: cause.field.replace(/^spec\./, "spec.jobTemplate.spec."),
      })),
    ];
  },
};

function validateTimes(object: Draft): StatusCause[] {
  const causes: StatusCause[] = [];
  const { name } = object.metadata;
  if (name.length > MAX_NAME)
    causes.push(invalid("metadata.name", name, `must be no more than ${MAX_NAME} characters`));
  const schedule = stringAt(object, "spec", "schedule") ?? "";
  const fault = scheduleFault(schedule);
  if (schedule === "") causes.push(required("spec.schedule"));
  else if (fault !== undefined) causes.push(invalid("spec.schedule", schedule, fault));
  const zone = stringAt(object, "spec", "timeZone");
  const wrong = zone === undefined ? undefined : zoneFault(zone);
  if (wrong !== undefined) causes.push(invalid("spec.timeZone", zone, wrong));
  const policy = stringAt(object, "spec", "concurrencyPolicy") ?? "";
  if (!CONCURRENCY.includes(policy)) causes.push(notSupported("spec.concurrencyPolicy", policy, CONCURRENCY));
  for (const field of ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"]) {
    const value = at(object, "spec", field);
    if (typeof value === "number" && value < 0)
      causes.push(invalid(`spec.${field}`, value, "must be greater than or equal to 0"));
  }
  return causes;
}

function zoneFault(zone: string): string | undefined {
  if (zone === "" || zone.toLowerCase() === "local")
    return "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
  try {
    Intl.DateTimeFormat("en", { timeZone: zone });
    // Node takes offsets, which name no zone.
    return /^[+-]/.test(zone) ? `unknown time zone ${zone}` : undefined;
  } catch {
    return `unknown time zone ${zone}`;
  }
}
