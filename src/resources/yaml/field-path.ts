/**
 * @module Paths of fields inside an object, in one grammar: `spec.ingress[0].from`, and `metadata.labels[app.io/name]`
 * for keys that are not plain words. A `]` or `\` inside such a key is written with a backslash before it.
 */

const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;

/** The path of a key of the mapping at `parent`. */
export function keyPath(parent: string, key: string): string {
  if (!PLAIN_KEY.test(key)) return `${parent}[${key.replace(/[\]\\]/g, "\\$&")}]`;
  return parent === "" ? key : `${parent}.${key}`;
}

/** The path of an item of the list at `parent`. */
export function indexPath(parent: string, index: number): string {
  return `${parent}[${index}]`;
}

/** The path of `child`, which is a path inside the value at `parent`. */
export function joinPath(parent: string, child: string): string {
  if (parent === "" || child === "") return parent + child;
  return child.startsWith("[") ? parent + child : `${parent}.${child}`;
}

/**
 * Total: what no helper above would write is taken as far as it goes.
 * @returns keys and item numbers from the outside in; numbers stay text, because `[0]` may also be a key
 */
export function parsePath(path: string): string[] {
  const segments: string[] = [];
  for (const match of path.matchAll(/\[((?:[^\]\\]|\\.)*)\]|[^.[\]]+/gs)) {
    segments.push(match[1] === undefined ? match[0] : match[1].replace(/\\(.)/gs, "$1"));
  }
  return segments;
}
