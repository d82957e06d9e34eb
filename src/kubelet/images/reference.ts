/** @module Names of images, completed as containerd completes them. */

export interface ImageReference {
  /** `docker.io/library/nginx`. */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
  /** The whole, completed: `docker.io/library/nginx:latest`. */
  readonly text: string;
}

const DOMAIN =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::\d+)?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z][a-z0-9]*(?:[-_+.][a-z][a-z0-9]*)*:[0-9a-fA-F]{32,}$/i;

/** @returns undefined for what is no reference */
export function parseReference(text: string): ImageReference | undefined {
  const [named = "", digest, ...more] = text.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const lastSlash = named.lastIndexOf("/");
  const colon = named.indexOf(":", lastSlash + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) return undefined;
  const components = (colon < 0 ? named : named.slice(0, colon)).split("/");
  const first = components[0] ?? "";
  const hasDomain =
    components.length > 1 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const domain = hasDomain ? first : "docker.io";
  const rest = hasDomain ? components.slice(1) : components;
  if (!DOMAIN.test(domain) || rest.length === 0 || !rest.every((part) => COMPONENT.test(part)))
    return undefined;
  const host = domain === "index.docker.io" ? "docker.io" : domain;
  const path = host === "docker.io" && rest.length === 1 ? ["library", ...rest] : rest;
  const repository = `${host}/${path.join("/")}`;
  const shownTag = tag ?? (digest === undefined ? "latest" : undefined);
  return {
    repository,
    tag: shownTag,
    digest,
    text: `${repository}${shownTag === undefined ? "" : `:${shownTag}`}${digest === undefined ? "" : `@${digest}`}`,
  };
}
