/** @module Answers: an object, a list, a table, a Status; in the form that a client accepts. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { drained } from "../client/drained.ts";
import type { Entry } from "../store/store.ts";
import { objectOf, peekObject, peekText, textOf } from "./objects.ts";
import { apiVersionOf } from "./operations.ts";
import type { CellContext, ServedResource } from "./served.ts";
import type { StatusError } from "./status-error.ts";
import type { ListAnswer } from "./storage.ts";
import { definitionsOf, type IncludeObject, partialObject, rowOf } from "./tables.ts";

export interface Form {
  readonly kind: "object" | "table" | "partial";
  readonly include: IncludeObject;
  readonly contentType: string;
}

export type Cells = CellContext;

const JSON_TYPE = "application/json";

/** The first thing in `Accept` that we can make. What cannot be made is answered as plain JSON. */
export function formOf(request: IncomingMessage): Form {
  const url = new URL(request.url ?? "/", "http://tortie");
  const asked = url.searchParams.get("includeObject");
  const include: IncludeObject = asked === "None" || asked === "Object" ? asked : "Metadata";
  for (const part of (request.headers.accept ?? "").split(",")) {
    const [type = "", ...parameters] = part.split(";").map((one) => one.trim());
    if (type !== JSON_TYPE && type !== "*/*") continue;
    const as = parameters.find((one) => one.startsWith("as="))?.slice(3);
    const version = parameters.find((one) => one.startsWith("v="))?.slice(2);
    if (as === "Table" && version === "v1") return { kind: "table", include, contentType: JSON_TYPE };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList")
      return { kind: "partial", include, contentType: JSON_TYPE };
    if (as === undefined) break;
  }
  return { kind: "object", include, contentType: JSON_TYPE };
}

export function sendJson(
  response: ServerResponse,
  code: number,
  body: string,
  contentType: string = JSON_TYPE,
): void {
  response.writeHead(code, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-cache, private",
  });
  // Node writes the headers in the encoding of a body that is text, and those that warn are bytes already.
  response.end(response.hasHeader("warning") ? Buffer.from(body) : body);
}

export function sendStatus(response: ServerResponse, error: StatusError): void {
  // What the client may still be sending is not read: the connection goes with the answer.
  if (error.code === 413) response.setHeader("connection", "close");
  if (error.code === 401) response.setHeader("www-authenticate", "Bearer");
  if (error.code === 429) response.setHeader("retry-after", "1");
  sendJson(response, error.code, JSON.stringify(error.toStatus()));
}

export function encodeEntry(resource: ServedResource, entry: Entry, form: Form, context: Cells): string {
  switch (form.kind) {
    case "object":
      return textOf(entry);
    case "partial":
      return JSON.stringify(partialObject(objectOf(entry)));
    case "table":
      return JSON.stringify(
        tableOf(resource, { resourceVersion: String(entry.modified) }, [entry], {
          form,
          context,
          withColumns: true,
        }),
      );
    default:
      return form.kind satisfies never;
  }
}

export function tableOf(
  resource: ServedResource,
  metadata: Readonly<Record<string, unknown>>,
  entries: readonly Entry[],
  {
    form,
    context,
    withColumns,
  }: { readonly form: Form; readonly context: Cells; readonly withColumns: boolean },
): Record<string, unknown> {
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: withColumns ? definitionsOf(resource) : null,
    rows: entries.map((entry) => rowOf(resource, objectOf(entry), form.include, context)),
  };
}

/**
 * A list in pieces. Texts of objects go out as they are in the store: a list is not parsed to be told, and what is made of
 * an object is not held.
 */
export function* listPieces(
  resource: ServedResource,
  answer: ListAnswer,
  form: Form,
  context: Cells,
): Generator<string, void, undefined> {
  const metadata = {
    resourceVersion: String(answer.revision),
    ...(answer.continue !== undefined && { continue: answer.continue }),
    ...(answer.remaining !== undefined && answer.remaining > 0 && { remainingItemCount: answer.remaining }),
  };
  const head = JSON.stringify(headOf(resource, metadata, form));
  const list = form.kind === "table" ? "rows" : "items";
  yield `${head.slice(0, -1)},"${list}":[`;
  let separator = "";
  for (const entry of answer.entries) {
    yield `${separator}${pieceOf(resource, entry, form, context)}`;
    separator = ",";
  }
  yield "]}";
}

function headOf(
  resource: ServedResource,
  metadata: Readonly<Record<string, unknown>>,
  form: Form,
): Record<string, unknown> {
  switch (form.kind) {
    case "table":
      return {
        kind: "Table",
        apiVersion: "meta.k8s.io/v1",
        metadata,
        columnDefinitions: definitionsOf(resource),
      };
    case "partial":
      return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata };
    case "object":
      return { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata };
    default:
      return form.kind satisfies never;
  }
}

function pieceOf(resource: ServedResource, entry: Entry, form: Form, context: Cells): string {
  switch (form.kind) {
    case "table":
      return JSON.stringify(rowOf(resource, peekObject(entry), form.include, context));
    case "partial":
      return JSON.stringify(partialObject(peekObject(entry)));
    case "object":
      return peekText(entry);
    default:
      return form.kind satisfies never;
  }
}

/** So much is made before the client has taken what was. */
const PIECE_BYTES = 64 * 1024;

/** What fits into one piece is sent with its length; more of it as fast as the client reads, and no faster. */
export async function sendPieces(
  response: ServerResponse,
  pieces: Iterable<string>,
  contentType: string = JSON_TYPE,
): Promise<void> {
  let text = "";
  let hasBegun = false;
  for (const piece of pieces) {
    text += piece;
    if (text.length < PIECE_BYTES) continue;
    if (!hasBegun)
      response.writeHead(200, { "content-type": contentType, "cache-control": "no-cache, private" });
    hasBegun = true;
    if (response.destroyed) return;
    // Others are served between two pieces also where the client is as fast as we are.
    if (response.write(text)) await turn();
    else await drained(response);
    text = "";
  }
  if (hasBegun) response.end(text);
  else sendJson(response, 200, text, contentType);
}
