/** @module The query of a watch, and how its events are written. */
import type { Entry } from "../store/store.ts";
import { objectOf, textOf } from "./objects.ts";
import { apiVersionOf } from "./operations.ts";
import { isTrue } from "./request-info.ts";
import { type Cells, type Form, tableOf } from "./respond.ts";
import type { Test } from "./selectors.ts";
import { errors } from "./status-error.ts";
import type { Storage } from "./storage.ts";
import { partialObject } from "./tables.ts";
import type { WatchFormat, WatchRequest } from "./watching.ts";

/** Between half an hour and an hour, as kube-apiserver: not all clients come back at once. */
const MIN_TIMEOUT_MS = 1_800_000;

export interface WatchOf {
  readonly namespace: string | undefined;
  readonly test: Test | undefined;
  readonly form: Form;
  readonly context: Cells;
}

/** @throws StatusError 400, 422 */
export function watchOf(
  storage: Storage,
  query: URLSearchParams,
  { namespace, test, form, context }: WatchOf,
): { readonly request: WatchRequest; readonly format: WatchFormat } {
  const asked = query.get("resourceVersion") ?? "";
  const revision = asked === "" ? 0 : Number(asked);
  if (!Number.isInteger(revision) || revision < 0)
    throw errors.badRequest(`invalid resource version ${JSON.stringify(asked)}`);
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const sendInitial = query.get("sendInitialEvents");
  if (sendInitial !== null && query.get("resourceVersionMatch") !== "NotOlderThan") {
    throw errors.invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [
      {
        reason: "FieldValueForbidden",
        message: "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        field: "resourceVersionMatch",
      },
    ]);
  }
  const startsWithAll = sendInitial === null ? revision === 0 : isTrue(sendInitial);
  const seconds = Number(query.get("timeoutSeconds") ?? 0);
  return {
    request: {
      prefix: storage.prefix(namespace),
      test,
      view: storage.view,
      from: startsWithAll ? undefined : revision,
      initialEventsEnd: isTrue(sendInitial) && bookmarks,
      bookmarks,
      timeoutMs: seconds > 0 ? Math.min(seconds, 86_400) * 1000 : MIN_TIMEOUT_MS * (1 + Math.random()),
    },
    format: formatOf(storage, form, context),
  };
}

function formatOf({ resource }: Storage, form: Form, context: Cells): WatchFormat {
  const bookmark = (revision: number, isInitialEnd: boolean): Record<string, unknown> => ({
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(isInitialEnd && { annotations: { "k8s.io/initial-events-end": "true" } }),
    },
  });
  switch (form.kind) {
    case "object":
      return { encode: textOf, bookmark: (...mark) => JSON.stringify(bookmark(...mark)) };
    case "partial":
      return {
        encode: (entry) => JSON.stringify(partialObject(objectOf(entry))),
        bookmark: (...mark) =>
          JSON.stringify({
            ...bookmark(...mark),
            kind: "PartialObjectMetadata",
            apiVersion: "meta.k8s.io/v1",
          }),
      };
    case "table": {
      // Only the first event says what the columns are.
      let withColumns = true;
      const next = (
        entries: readonly Entry[],
        metadata: Readonly<Record<string, unknown>>,
      ): Record<string, unknown> => {
        const now = { ...context, now: Date.now() };
        const table = tableOf(resource, metadata, entries, { form, context: now, withColumns });
        withColumns = false;
        return table;
      };
      return {
        encode: (entry) => JSON.stringify(next([entry], { resourceVersion: String(entry.modified) })),
        bookmark: (revision, isInitialEnd) => {
          const object = bookmark(revision, isInitialEnd);
          return JSON.stringify({
            ...next([], { resourceVersion: String(revision) }),
            rows: [{ cells: [], object: partialObject(object as never) }],
          });
        },
      };
    }
    default:
      return form.kind satisfies never;
  }
}
