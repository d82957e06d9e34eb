/** @module What a request asks for: its path, method and query as verb, resource and name (apiserver's RequestInfo). */
import { ownValue } from "../base/own.ts";

export interface ResourceRequest {
  readonly isResource: true;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  /** The one name that a list or a watch selects: roles for that name allow it. */
  readonly selectedName: string | undefined;
  /** What the path has behind the subresource, as it was sent: "", or from its slash on. */
  readonly rest: string;
}

export interface PathRequest {
  readonly isResource: false;
  readonly verb: string;
  readonly path: string;
}

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  GET: "get",
  HEAD: "get",
  DELETE: "delete",
};
/** Below `namespaces/NAME/` these belong to the namespace itself. */
const OF_NAMESPACES: readonly string[] = ["finalize", "status"];

export function parseRequest(method: string, url: URL): ResourceRequest | PathRequest {
  const path = url.pathname;
  const verb = ownValue(VERBS, method) ?? method.toLowerCase();
  const notResource: PathRequest = { isResource: false, verb, path };
  const sent = path.split("/").filter((part) => part !== "");
  const [root, ...parts] = sent.map(decode);
  if (root !== "api" && root !== "apis") return notResource;
  const group = root === "api" ? "" : (parts.shift() ?? "");
  const version = parts.shift();
  if (version === undefined || parts.length === 0) return notResource;
  let namespace: string | undefined;
  if (parts[0] === "namespaces" && parts.length > 1) {
    const [, name = "", next] = parts;
    if (next === undefined || (OF_NAMESPACES.includes(next) && parts.length === 3)) namespace = undefined;
    else {
      namespace = name;
      parts.splice(0, 2);
    }
  }
  const [plural = "", name, subresource, ...rest] = parts;
  // What a query says to a pod, it does not say to the API.
  const asked = subresource === undefined ? verbOf(verb, name, url.searchParams) : verb;
  const isList = name === undefined && (asked === "list" || asked === "watch");
  return {
    isResource: true,
    verb: asked,
    group,
    version,
    plural,
    namespace,
    name,
    subresource,
    selectedName: isList ? selectedName(url.searchParams.get("fieldSelector") ?? "") : undefined,
    rest: subresource === undefined ? "" : behind(path, sent.length - rest.length),
  };
}

function verbOf(verb: string, name: string | undefined, query: URLSearchParams): string {
  if (verb === "get" && isTrue(query.get("watch"))) return "watch";
  if (name !== undefined) return verb;
  if (verb === "get") return "list";
  return verb === "delete" ? "deletecollection" : verb;
}

function selectedName(selector: string): string | undefined {
  for (const part of selector.split(",")) {
    const [, name] = /^\s*metadata\.name\s*={1,2}\s*([^=!\s/%]+)\s*$/.exec(part) ?? [];
    if (name !== undefined && name !== "." && name !== "..") return name;
  }
  return undefined;
}

/** The path without its first parts. */
function behind(path: string, parts: number): string {
  const [first = ""] = new RegExp(`^(?:/+[^/]+){${parts}}`).exec(path) ?? [];
  return path.slice(first.length);
}

export function isTrue(value: string | null): boolean {
  return value === "true" || value === "1";
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
