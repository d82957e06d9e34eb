/** @module Events of events.k8s.io/v1, which says more of them than the core group: who tells what was done, and when. */
import { at, stringAt } from "../json.ts";
import { invalid, required } from "../metadata.ts";
import { jsonEqual } from "../patch/json-value.ts";
import type { Draft, Strategy } from "../served.ts";
import type { StatusCause } from "../status-error.ts";

const MAX_TEXT = 128;
const MAX_NOTE = 1024;
/** All but the series, by which an event that goes on is told. */
const FIXED = [
  "regarding",
  "reason",
  "note",
  "deprecatedSource",
  "deprecatedFirstTimestamp",
  "deprecatedLastTimestamp",
  "deprecatedCount",
  "eventTime",
  "type",
  "action",
  "related",
  "reportingController",
  "reportingInstance",
] as const;

function validateText(object: Draft, name: string): StatusCause[] {
  const value = stringAt(object, name) ?? "";
  if (value === "") return [required(name)];
  return value.length > MAX_TEXT ? [invalid(name, "", `can have at most ${MAX_TEXT} characters`)] : [];
}

/** As apiserver's ValidateEventCreate. */
function validateCreate(object: Draft): StatusCause[] {
  const causes: StatusCause[] = [];
  if (!stringAt(object, "eventTime")) causes.push(required("eventTime"));
  for (const name of ["reportingController", "reportingInstance", "action", "reason"])
    causes.push(...validateText(object, name));
  const type = stringAt(object, "type") ?? "";
  if (type !== "Normal" && type !== "Warning") causes.push(invalid("type", "", `has invalid value: ${type}`));
  if (Buffer.byteLength(stringAt(object, "note") ?? "") > MAX_NOTE)
    causes.push(invalid("note", "", `can have at most ${MAX_NOTE} bytes`));
  for (const name of ["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"])
    if (at(object, name)) causes.push(invalid(name, "", "needs to be unset"));
  const source = at(object, "deprecatedSource");
  if (stringAt(source, "component") || stringAt(source, "host"))
    causes.push(invalid("deprecatedSource", "", "needs to be unset"));
  return causes;
}

function validateUpdate(object: Draft, before: Draft): StatusCause[] {
  return FIXED.filter((name) => !jsonEqual(object[name] ?? null, before[name] ?? null)).map((name) =>
    invalid(name, object[name], "field is immutable"),
  );
}

/** The object is where its event is; those of the cluster have theirs in any namespace. */
function validate(object: Draft): StatusCause[] {
  const of = stringAt(object, "regarding", "namespace") ?? "";
  return of !== "" && of !== object.metadata.namespace
    ? [invalid("regarding.namespace", of, "does not match event.namespace")]
    : [];
}

export const EVENT_V1: Strategy = { validate, validateCreate, validateUpdate };
