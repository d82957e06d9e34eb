/** @module A watch as a client sees it: writes of the store filtered by selectors, as lines of JSON. */
import type { ServerResponse } from "node:http";
import type { Entry, Revision, Store, StoreEvent, Watch } from "../store/store.ts";
import { CompactedError } from "../store/store.ts";
import { deletedEntry, objectOf } from "./objects.ts";
import type { Test } from "./selectors.ts";
import type { Draft } from "./served.ts";
import { errors, type StatusError } from "./status-error.ts";
import type { VersionView } from "./version-view.ts";
import { type Item, WatchOutbox } from "./watch-outbox.ts";

export interface WatchRequest {
  readonly prefix: string;
  readonly test: Test | undefined;
  /** The version of the resource that is watched. */
  readonly view: VersionView;
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

/**
 * Serves a watch until the client, the timeout or the store ends it. Lines of one event are made once for all watchers
 * that see it in the same form: `encode` remembers. What there is to tell at the beginning may be more than a client may
 * leave unread later: it is written as fast as the client reads.
 */
export async function serveWatch(
  store: Store,
  request: WatchRequest,
  format: WatchFormat,
  response: ServerResponse,
): Promise<void> {
  const { test, view } = request;
  let from = request.from;
  response.writeHead(200, { "content-type": "application/json", "cache-control": "no-cache, private" });
  response.flushHeaders();
  const outbox = new WatchOutbox(response);
  if (from === undefined) {
    const { entries, revision } = await store.list(request.prefix);
    from = revision;
    for (const stored of entries) {
      outbox.owe(() => {
        const entry = view.entry(stored);
        return !test || test(objectOf(entry)) ? line("ADDED", format.encode(entry)) : "";
      });
    }
    if (request.initialEventsEnd) outbox.owe(() => line("BOOKMARK", format.bookmark(revision, true)));
  }
  if (response.destroyed) return;
  const start = from;
  await new Promise<void>((resolve) => {
    let latest = start;
    let isBeginning = true;
    const state = { isOver: false };
    let watch: Watch | undefined;
    let timeout: NodeJS.Timeout | undefined;
    let bookmarks: NodeJS.Timeout | undefined;
    const end = (): void => {
      state.isOver = true;
      watch?.close();
      clearTimeout(timeout);
      clearInterval(bookmarks);
      resolve();
    };
    response.on("close", end);
    response.on("error", end);
    watch = store.watch(request.prefix, start, {
      events: (events) => {
        const last = events.at(-1);
        if (last) latest = last.type === "put" ? last.entry.modified : last.revision;
        // The store tells what was written since `from` before it goes on.
        if (isBeginning) {
          for (const event of events) outbox.owe(() => lineOf(view.event(event), test, format));
          return;
        }
        try {
          outbox.add(events.flatMap((event) => itemOf(event, request, format)));
        } catch {
          // An object that cannot be told is this watcher's trouble; whoever else watches goes on.
          response.destroy();
        }
      },
      failed: (error) => {
        outbox.end(line("ERROR", JSON.stringify(failureOf(error).toStatus())));
        if (isBeginning) state.isOver = true;
        else end();
      },
    });
    isBeginning = false;
    if (state.isOver) {
      end();
      return;
    }
    timeout = setTimeout(() => {
      outbox.end("");
      end();
    }, request.timeoutMs);
    if (request.bookmarks)
      bookmarks = setInterval(() => {
        const revision = latest;
        outbox.add([{ text: () => line("BOOKMARK", format.bookmark(revision, false)), size: 0 }]);
      }, BOOKMARK_MS);
  });
}

/** With a selector, only what it lets through waits to be read; without, nothing is made into text before its turn. */
function itemOf(event: StoreEvent, { test, view }: WatchRequest, format: WatchFormat): Item[] {
  if (!test) {
    const { value } = event.type === "put" ? event.entry : event.before;
    return [{ text: () => lineOf(view.event(event), test, format), size: value.length }];
  }
  const text = lineOf(view.event(event), test, format);
  return text === "" ? [] : [{ text: () => text, size: text.length }];
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
