/** @module Events, in the words of both groups that have them: the same objects, stored as the core group's. */

import { stringAt } from "../json.ts";
import { EVENT_V1 } from "../kinds/event.ts";
import { field } from "../selectors.ts";
import type { Conversion, Draft, ServedResource } from "../served.ts";
import { age } from "../tables.ts";
import { column, count, define, numberAt, text } from "./define.ts";

/** What each field of the core group's is called in events.k8s.io; the others have one name. */
const NEW_NAMES: Readonly<Record<string, string>> = {
  involvedObject: "regarding",
  message: "note",
  source: "deprecatedSource",
  firstTimestamp: "deprecatedFirstTimestamp",
  lastTimestamp: "deprecatedLastTimestamp",
  count: "deprecatedCount",
  reportingComponent: "reportingController",
};
const OLD_NAMES: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(NEW_NAMES).map(([old, now]) => [now, old]),
);

/** The head of an object stays in front: its text is cut there. */
function renamed(object: Draft, apiVersion: string, names: Readonly<Record<string, string>>): Draft {
  const { apiVersion: _, kind, metadata, ...rest } = object;
  const fields = Object.entries(rest).map(([name, value]) => [
    Object.hasOwn(names, name) ? names[name] : name,
    value,
  ]);
  return { apiVersion, kind, metadata, ...Object.fromEntries(fields) };
}

const CONVERSION: Conversion = {
  group: "",
  told: (stored) => renamed(stored, "events.k8s.io/v1", NEW_NAMES),
  stored: (told) => renamed(told, "v1", OLD_NAMES),
};

const OBJECT_FIELDS = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

function readers(paths: readonly string[]): Record<string, (object: unknown) => string> {
  return Object.fromEntries(paths.map((path) => [path, field(path)]));
}

function lastSeen(object: Draft, now: number): string {
  const first = object["firstTimestamp"] ?? object["eventTime"] ?? object.metadata.creationTimestamp;
  const last = object["lastTimestamp"] ?? first;
  const times = numberAt(object, "count");
  return times > 1 ? `${age(last, now)} (x${times} over ${age(first, now)})` : age(last, now);
}

export const EVENTS: ServedResource = {
  nameless: true,
  ...define({
    group: "",
    kind: "Event",
    plural: "events",
    short: ["ev"],
    ageless: true,
    columns: [
      column("Last Seen", (object, { now }) => lastSeen(object, now)),
      column("Type", text("type")),
      column("Reason", text("reason")),
      column(
        "Object",
        (object) =>
          `${(stringAt(object, "involvedObject", "kind") ?? "").toLowerCase()}/${stringAt(object, "involvedObject", "name") ?? ""}`,
      ),
      column("Message", (object) => (stringAt(object, "message") ?? "").trim()),
    ],
    wide: [
      column(
        "Source",
        (object) =>
          [stringAt(object, "source", "component"), stringAt(object, "source", "host")]
            .filter(Boolean)
            .join(", "),
        { wide: true },
      ),
      column("Count", count("count"), { type: "integer", wide: true }),
    ],
    strategy: {
      fields: {
        ...readers([
          ...OBJECT_FIELDS.map((name) => `involvedObject.${name}`),
          "reason",
          "reportingComponent",
          "type",
        ]),
        source: field("source.component"),
      },
      validName: "subdomain",
    },
  }),
};

export const EVENTS_V1: ServedResource = {
  ...EVENTS,
  group: "events.k8s.io",
  columns: EVENTS.columns.map((one) => ({
    ...one,
    cell: (object, context) => one.cell(CONVERSION.stored(object), context),
  })),
  strategy: {
    ...EVENT_V1,
    fields: readers([
      ...OBJECT_FIELDS.map((name) => `regarding.${name}`),
      "reason",
      "reportingController",
      "type",
    ]),
    validName: "subdomain",
  },
  conversion: CONVERSION,
};
