/** @module Parts of a resource with a path of their own: status, ephemeral containers, scale, binding, eviction, finalize, token, streams, proxy. */
import { ownValue } from "../base/own.ts";
import { objectBody } from "./body.ts";
import { evict } from "./eviction.ts";
import { type Exchange, PATCH_KINDS, placeOf } from "./exchange.ts";
import { bind, changeScale, draftOf, finalize, getScale, patchFault, update } from "./operations.ts";
import { applyJsonPatch } from "./patch/json-patch.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import { serveProxy } from "./proxy.ts";
import type { ResourceRequest } from "./request-info.ts";
import { servePatch } from "./resource-requests.ts";
import { errors } from "./status-error.ts";
import type { Storage } from "./storage.ts";

const DONE = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } as const;

export async function serveSubresource(
  info: ResourceRequest,
  storage: Storage,
  exchange: Exchange,
): Promise<void> {
  const { resource } = storage;
  const { api, reviews, streams } = exchange.options;
  const part = resource.subresources.find(({ name }) => name === info.subresource);
  if (!part) throw errors.noSuchPath();
  if (!part.verbs.includes(info.verb)) throw errors.methodNotAllowed();
  const place = placeOf(info);
  switch (info.subresource) {
    case "ephemeralcontainers":
    case "status":
      await servePart(info, storage, exchange, info.subresource);
      return;
    case "scale":
      await serveScale(info, storage, exchange);
      return;
    case "binding":
      await bind(storage, place, await exchange.anyBody(), exchange.caller());
      exchange.send(DONE, 201);
      return;
    case "eviction":
      await evict(api, storage, place, await exchange.anyBody(), exchange.caller());
      exchange.send(DONE, 201);
      return;
    case "finalize":
      exchange.sendEntry(
        storage,
        await finalize(storage, place, await exchange.anyBody(), exchange.caller()),
      );
      return;
    case "token": {
      const account = await storage.get(place.namespace, place.name);
      exchange.send(await reviews.issueToken(account, await exchange.anyBody()), 201);
      return;
    }
    case "proxy":
      await serveProxy(info, exchange);
      return;
    default:
      await streams.forward(exchange.request, exchange.response, {
        pod: await storage.get(place.namespace, place.name),
        subresource: info.subresource ?? "",
        url: exchange.url,
      });
  }
}

/** What is written with the whole object, of which only the part is taken. */
async function servePart(
  info: ResourceRequest,
  storage: Storage,
  exchange: Exchange,
  part: string,
): Promise<void> {
  const place = placeOf(info);
  if (info.verb === "get") exchange.sendEntry(storage, await storage.entry(place.namespace, place.name));
  else if (info.verb === "patch") await servePatch(info, storage, exchange, part);
  else {
    const draft = draftOf(storage.resource, place, await exchange.body(storage));
    exchange.sendEntry(storage, await update(storage, place, draft, exchange.caller(), part));
  }
}

async function serveScale(info: ResourceRequest, storage: Storage, exchange: Exchange): Promise<void> {
  const place = placeOf(info);
  if (info.verb === "get") {
    exchange.send(await getScale(storage, place));
    return;
  }
  const body = await exchange.patchBody();
  const isJsonPatch = ownValue(PATCH_KINDS, exchange.contentType) === "json";
  const scale = await changeScale(
    storage,
    place,
    (before) =>
      objectBody(
        info.verb === "update"
          ? body
          : patchFault(() => (isJsonPatch ? applyJsonPatch(before, body) : applyMergePatch(before, body))),
      ),
    exchange.caller(),
  );
  exchange.send(scale);
}
