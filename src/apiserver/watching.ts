/** @module A watch as a client sees it: writes of the store filtered by selectors, as lines of JSON. */
import type { ServerResponse } from "node:http";
import type { Entry, Revision, Store, StoreEvent } from "../store/store.ts";
import { CompactedError } from "../store/store.ts";
import { deletedEntry, objectOf } from "./objects.ts";
import type { Test } from "./selectors.ts";
import type { Draft } from "./served.ts";
import { errors, type StatusError } from "./status-error.ts";

export interface WatchRequest {
  readonly prefix: string;
  readonly test: Test | undefined;
  /** Tell everything after this write. Undefined: begin with what is there. */
  readonly from: Revision | undefined;
  /** Told after what is there at the beginning, for clients that wait for it (WatchList). */
  readonly initialEventsEnd: boolean;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
}

export interface WatchFormat {
  /** A line's object. */
  readonly encode: (entry: Entry) => string;
  readonly bookmark: (revision: Revision, isInitialEnd: boolean) => string;
}

const BOOKMARK_MS = 60_000;
/** What a client may leave unread before it is cut off. It lists again then. */
const MAX_UNREAD = 16 * 1024 * 1024;

/**
 * Serves a watch until the client, the timeout or the store ends it. Lines of one event are made once for all watchers
 * that see it in the same form: `encode` remembers.
 */
export async function serveWatch(
  store: Store,
  request: WatchRequest,
  format: WatchFormat,
  response: ServerResponse,
): Promise<void> {
  let from = request.from;
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  if (from === undefined) {
    const { entries, revision } = await store.list(request.prefix);
    from = revision;
    let text = "";
    for (const entry of entries) {
      if (request.test && !request.test(objectOf(entry))) continue;
      text += line("ADDED", format.encode(entry));
    }
    if (request.initialEventsEnd) text += line("BOOKMARK", format.bookmark(revision, true));
    if (text !== "") response.write(text);
  }
  if (response.destroyed) return;
  let latest = from;
  await new Promise<void>((resolve) => {
    const watch = store.watch(request.prefix, from, {
      events: (events) => {
        let text = "";
        for (const event of events) {
          latest = event.type === "put" ? event.entry.modified : event.revision;
          text += lineOf(event, request.test, format);
        }
        if (text === "") return;
        response.write(text);
        if (response.writableLength > MAX_UNREAD) {
          response.destroy();
          end();
        }
      },
      failed: (error) => {
        response.end(line("ERROR", JSON.stringify(failureOf(error).toStatus())));
        end();
      },
    });
    const timeout = setTimeout(() => {
      response.end();
      end();
    }, request.timeoutMs);
    const bookmarks = request.bookmarks
      ? setInterval(() => response.write(line("BOOKMARK", format.bookmark(latest, false))), BOOKMARK_MS)
      : undefined;
    const end = (): void => {
      watch.close();
      clearTimeout(timeout);
      clearInterval(bookmarks);
      resolve();
    };
    response.on("close", end);
    response.on("error", end);
  });
}

function failureOf(error: Error): StatusError {
  return error instanceof CompactedError
    ? errors.expired(`too old resource version: it is compacted (${error.compacted})`)
    : errors.internal(error.message);
}

function line(type: string, object: string): string {
  return `{"type":"${type}","object":${object}}\n`;
}

/** An object that begins to match is added, one that ceases to match is deleted, whatever was done to it. */
function lineOf(event: StoreEvent, test: Test | undefined, format: WatchFormat): string {
  if (event.type === "delete") {
    if (test && !test(objectOf(event.before))) return "";
    return line("DELETED", format.encode(deletedEntry(event)));
  }
  const { entry, before } = event;
  if (!test) return line(before ? "MODIFIED" : "ADDED", format.encode(entry));
  const matched = before !== undefined && test(objectOf(before));
  if (test(objectOf(entry))) return line(matched ? "MODIFIED" : "ADDED", format.encode(entry));
  return matched ? line("DELETED", format.encode({ ...before, modified: entry.modified })) : "";
}

/** For callers in this process: the same, as objects. */
export function eventOf(
  event: StoreEvent,
  test: Test | undefined,
): { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Readonly<Draft> } | undefined {
  if (event.type === "delete") {
    return test && !test(objectOf(event.before))
      ? undefined
      : { type: "DELETED", object: objectOf(deletedEntry(event)) };
  }
  const matched = event.before !== undefined && (!test || test(objectOf(event.before)));
  if (!test || test(objectOf(event.entry)))
    return { type: matched ? "MODIFIED" : "ADDED", object: objectOf(event.entry) };
  return matched
    ? { type: "DELETED", object: objectOf({ ...event.before, modified: event.entry.modified }) }
    : undefined;
}
