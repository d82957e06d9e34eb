/** @module Requests for objects and for lists of them, verb by verb. */
import { ownValue } from "../base/own.ts";
import { type Exchange, nameOf, PATCH_KINDS, placeOf } from "./exchange.ts";
import { stringAt } from "./json.ts";
import { deleteCollection, draftOf, patch, update } from "./operations.ts";
import type { ResourceRequest } from "./request-info.ts";
import { listPieces, sendPieces } from "./respond.ts";
import { parseFieldSelector, parseLabelSelector, type Test } from "./selectors.ts";
import { errors } from "./status-error.ts";
import type { Storage } from "./storage.ts";
import { watchOf } from "./watch-request.ts";
import { serveWatch } from "./watching.ts";

export async function serveResource(
  info: ResourceRequest,
  storage: Storage,
  exchange: Exchange,
): Promise<void> {
  const { resource } = storage;
  if (!resource.verbs.includes(info.verb)) throw errors.methodNotAllowed();
  switch (info.verb) {
    case "get":
      exchange.sendEntry(storage, await storage.entry(info.namespace, nameOf(info)));
      return;
    case "list":
      await serveList(info, storage, exchange);
      return;
    case "watch": {
      const { request, format } = watchOf(storage, exchange.query, {
        namespace: info.namespace,
        test: testOf(storage, exchange.query, info.name),
        form: exchange.form,
        context: exchange.cells,
      });
      await serveWatch(exchange.options.api.store, request, format, exchange.response);
      return;
    }
    case "create":
      await serveCreate(info, storage, exchange);
      return;
    case "update": {
      const place = placeOf(info);
      const draft = draftOf(resource, place, await exchange.body(storage));
      exchange.sendEntry(storage, await update(storage, place, draft, exchange.caller()));
      return;
    }
    case "patch":
      await servePatch(info, storage, exchange, undefined);
      return;
    case "delete":
      await serveDelete(info, storage, exchange);
      return;
    case "deletecollection":
      await serveDeleteCollection(info, storage, exchange);
      return;
    default:
      throw errors.methodNotAllowed();
  }
}

async function serveCreate(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
  const { resource } = storage;
  if (info.name !== undefined) throw errors.methodNotAllowed();
  const draft = draftOf(resource, { namespace: info.namespace }, await exchange.body(storage));
  const review = await exchange.options.reviews.answer(resource, draft, exchange.user);
  if (review) exchange.send(review, 201);
  else exchange.sendEntry(storage, await storage.create(draft, exchange.caller()), 201);
}

export async function servePatch(
  info: ResourceRequest,
  storage: Storage,
  exchange: Exchange,
  subresource: string | undefined,
): Promise<void> {
  const kind = ownValue(PATCH_KINDS, exchange.contentType);
  if (!kind) throw errors.unsupportedMediaType(exchange.contentType);
  const body = await exchange.patchBody();
  const { entry, created } = await patch(
    storage,
    placeOf(info),
    { kind, body, force: exchange.isAsked("force"), check: exchange.check },
    exchange.caller(),
    subresource,
  );
  exchange.sendEntry(storage, entry, created ? 201 : 200);
}

async function serveDelete(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
  const { group, plural } = storage.resource;
  const { request, dryRun } = await exchange.deleteOptions();
  const { gone, object } = await storage.delete(placeOf(info), request, exchange.caller(dryRun));
  if (!gone) {
    exchange.send(object);
    return;
  }
  const { name, uid = "" } = object.metadata;
  exchange.send({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name, ...(group !== "" && { group }), kind: plural, uid },
  });
}

async function serveDeleteCollection(
  info: ResourceRequest,
  storage: Storage,
  exchange: Exchange,
): Promise<void> {
  const { request, dryRun } = await exchange.deleteOptions();
  const { entries, revision } = await storage.list({
    namespace: info.namespace,
    test: testOf(storage, exchange.query),
    limit: undefined,
    continue: undefined,
    revision: undefined,
  });
  await deleteCollection(storage, entries, request, exchange.caller(dryRun));
  const { form, response } = exchange;
  const pieces = listPieces(storage.resource, { entries: [], revision }, form, exchange.cells);
  await sendPieces(response, pieces);
}

async function serveList(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
  const { query, form, response, options } = exchange;
  const asked = query.get("resourceVersion") ?? "";
  const limit = Number(query.get("limit") ?? 0);
  const revision = asked === "" ? 0 : Number(asked);
  if (!Number.isInteger(revision) || revision < 0)
    throw errors.badRequest(
      `resourceVersion: Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
    );
  const current = await options.api.store.revision();
  if (revision > current) throw errors.timeout(`Too large resource version: ${asked}, current: ${current}`);
  const answer = await storage.list({
    namespace: info.namespace,
    test: testOf(storage, query, info.name),
    limit: Number.isInteger(limit) && limit > 0 ? limit : undefined,
    continue: query.get("continue") || undefined,
    revision: query.get("resourceVersionMatch") === "Exact" ? revision : undefined,
  });
  await sendPieces(response, listPieces(storage.resource, answer, form, exchange.cells), form.contentType);
}

/** What a request's selectors, and a watch of one name, ask of an object. */
function testOf(storage: Storage, query: URLSearchParams, name?: string): Test | undefined {
  const tests = [
    parseLabelSelector(query.get("labelSelector") ?? ""),
    parseFieldSelector(query.get("fieldSelector") ?? "", storage.resource.strategy.fields ?? {}),
    name === undefined ? undefined : (object: unknown) => stringAt(object, "metadata", "name") === name,
  ].filter((test) => test !== undefined);
  if (tests.length === 0) return undefined;
  return (object) => tests.every((test) => test(object));
}
