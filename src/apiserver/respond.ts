/** @module Answers: an object, a list, a table, a Status; in the form that a client accepts. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Entry } from "../store/store.ts";
import { objectOf, textOf } from "./objects.ts";
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

/** Texts of objects are joined as they are in the store: a list is not parsed to be told. */
export function encodeList(resource: ServedResource, answer: ListAnswer, form: Form, context: Cells): string {
  const metadata = {
    resourceVersion: String(answer.revision),
    ...(answer.continue !== undefined && { continue: answer.continue }),
    ...(answer.remaining !== undefined && answer.remaining > 0 && { remainingItemCount: answer.remaining }),
  };
  if (form.kind === "table")
    return JSON.stringify(tableOf(resource, metadata, answer.entries, { form, context, withColumns: true }));
  const kind = form.kind === "partial" ? "PartialObjectMetadataList" : `${resource.kind}List`;
  const apiVersion = form.kind === "partial" ? "meta.k8s.io/v1" : apiVersionOf(resource);
  const items = answer.entries.map((entry) =>
    form.kind === "partial" ? JSON.stringify(partialObject(objectOf(entry))) : textOf(entry),
  );
  return `{"kind":"${kind}","apiVersion":"${apiVersion}","metadata":${JSON.stringify(metadata)},"items":[${items.join(",")}]}`;
}
