/** @module Paths that are no resources: discovery, OpenAPI, version. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Api } from "./api.ts";
import { aggregatedDiscovery, apiVersions, groupList, groupOf, resourceList } from "./discovery.ts";
import { sendJson } from "./respond.ts";
import type { Documents } from "./served-documents.ts";
import { errors } from "./status-error.ts";

interface PathExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

const DISCOVERY =
  /application\/json;\s*(?:g=apidiscovery\.k8s\.io;\s*v=(v2beta1|v2);\s*as=APIGroupDiscoveryList)/;
/**
 * kubectl before 1.27 asks for OpenAPI v2 in protobuf only, and takes an empty document: it checks nothing itself then.
 * It asks with an `@` in the name, which RFC 7231 has not in a type's name and its own parser does not take in an answer.
 */
const V2_PROTOBUF = /application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/;
const V2_PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** @throws StatusError 404 */
export function serveDiscovery(
  api: Api,
  documents: Documents,
  { request, response, url }: PathExchange,
): void {
  const path = url.pathname.replace(/\/$/, "") || "/";
  const parts = path.split("/").filter((part) => part !== "");
  const accept = request.headers.accept ?? "";
  const json = (value: unknown): void => sendJson(response, 200, JSON.stringify(value));
  if (path === "/api" || path === "/apis") {
    const version = DISCOVERY.exec(accept)?.[1];
    if (version === undefined) {
      json(path === "/api" ? apiVersions(request.headers.host ?? "") : groupList(api.resources));
      return;
    }
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    sendJson(
      response,
      200,
      JSON.stringify(aggregatedDiscovery(api.resources, path === "/api", version)),
      type,
    );
    return;
  }
  if (parts[0] === "api" && parts.length === 2) {
    found(resourceList(api.resources, "", parts[1] ?? ""), json);
    return;
  }
  if (parts[0] === "apis" && parts.length === 2) {
    found(groupOf(api.resources, parts[1] ?? ""), json);
    return;
  }
  if (parts[0] === "apis" && parts.length === 3) {
    found(resourceList(api.resources, parts[1] ?? "", parts[2] ?? ""), json);
    return;
  }
  if (path === "/version") {
    json(documents.version);
    return;
  }
  if (path === "/openapi/v2") {
    if (V2_PROTOBUF.test(accept) && !accept.includes("application/json")) {
      response.writeHead(200, { "content-type": V2_PROTOBUF_TYPE, "content-length": 0 }).end();
      return;
    }
    sendJson(response, 200, documents.openApiV2());
    return;
  }
  if (path === "/openapi/v3") {
    sendJson(response, 200, documents.openApiV3Index());
    return;
  }
  if (path.startsWith("/openapi/v3/")) {
    const [, , root = "", first = "", second = ""] = parts;
    const document = root === "api" ? documents.openApiV3("", first) : documents.openApiV3(first, second);
    if (document === undefined) throw errors.noSuchPath();
    sendJson(response, 200, document);
    return;
  }
  if (path === "/") {
    json({
      paths: ["/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
    });
    return;
  }
  throw errors.noSuchPath();
}

function found(value: unknown, send: (value: unknown) => void): void {
  if (value === undefined) throw errors.noSuchPath();
  send(value);
}
