/**
 * @module Sets of fields in the form FieldsV1, in which `metadata.managedFields` says who owns what.
 *
 * A set is a tree. Its edges are `f:name` (a field), `k:{"name":"x"}` (the item with these keys), `v:"x"` (the item of a
 * set). A node is in the set when it has no edges, or an edge `.`; else it only leads to others. The root is no field: as a
 * root, `{}` is the empty set. Sets are values: nothing here changes one.
 */
import { setOwn } from "../../base/own.ts";

export interface FieldSet {
  readonly [edge: string]: FieldSet;
}

const SELF = ".";
export const MEMBER: FieldSet = {};
export const EMPTY: FieldSet = {};

/** Whether the root of a set holds nothing. */
export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the node which this tree hangs on is itself in the set. */
export function isMember(tree: FieldSet): boolean {
  return isEmptySet(tree) || tree[SELF] !== undefined;
}

export function childOf(tree: FieldSet | undefined, edge: string): FieldSet | undefined {
  return tree !== undefined && Object.hasOwn(tree, edge) ? tree[edge] : undefined;
}

/** The edges of a node, without the mark that it is itself in the set. */
export function edgesOf(tree: FieldSet): string[] {
  return Object.keys(tree).filter((edge) => edge !== SELF);
}

/** A tree out of its parts; undefined: nothing is in it. */
export function treeOf(member: boolean, children: Record<string, FieldSet>): FieldSet | undefined {
  if (isEmptySet(children)) return member ? MEMBER : undefined;
  return member ? { [SELF]: MEMBER, ...children } : children;
}

type Combine = (left: FieldSet | undefined, right: FieldSet | undefined) => FieldSet | undefined;

/** Combines two roots edge by edge. */
function roots(left: FieldSet, right: FieldSet, combine: Combine): FieldSet {
  return childrenOf(left, right, combine);
}

function childrenOf(left: FieldSet, right: FieldSet, combine: Combine): Record<string, FieldSet> {
  const children: Record<string, FieldSet> = {};
  for (const edge in left) {
    if (edge === SELF) continue;
    const child = combine(left[edge], childOf(right, edge));
    if (child) setOwn(children, edge, child);
  }
  for (const edge in right) {
    if (edge === SELF || Object.hasOwn(left, edge)) continue;
    const child = combine(undefined, right[edge]);
    if (child) setOwn(children, edge, child);
  }
  return children;
}

function unionTree(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || left === right) return right;
  if (right === undefined) return left;
  return treeOf(isMember(left) || isMember(right), childrenOf(left, right, unionTree));
}

function differenceTree(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || right === undefined) return left;
  return treeOf(isMember(left) && !isMember(right), childrenOf(left, right, differenceTree));
}

function intersectionTree(left: FieldSet | undefined, right: FieldSet | undefined): FieldSet | undefined {
  if (left === undefined || right === undefined) return undefined;
  return treeOf(isMember(left) && isMember(right), childrenOf(left, right, intersectionTree));
}

export function union(left: FieldSet, right: FieldSet): FieldSet {
  return roots(left, right, unionTree);
}

/** The fields of `left` that are not in `right`. A field goes without those below it: each is a member of its own. */
export function difference(left: FieldSet, right: FieldSet): FieldSet {
  return roots(left, right, differenceTree);
}

export function intersection(left: FieldSet, right: FieldSet): FieldSet {
  return roots(left, right, intersectionTree);
}

/** Whether two sets hold the same fields. */
export function sameSet(left: FieldSet, right: FieldSet): boolean {
  return left === right || (isEmptySet(difference(left, right)) && isEmptySet(difference(right, left)));
}

/** The fields of a set as Kubernetes writes their paths: `.spec.containers[name="web"].image`. */
export function pathsOf(set: FieldSet): string[] {
  const paths: string[] = [];
  const visit = (tree: FieldSet, path: string): void => {
    if (isMember(tree)) paths.push(path);
    for (const edge of edgesOf(tree)) visit(tree[edge] ?? MEMBER, path + textOfEdge(edge));
  };
  for (const edge of edgesOf(set)) visit(set[edge] ?? MEMBER, textOfEdge(edge));
  return paths;
}

function textOfEdge(edge: string): string {
  const text = edge.slice(2);
  if (edge.startsWith("k:")) {
    const keys: unknown = JSON.parse(text);
    const parts = Object.entries(keys as Record<string, unknown>);
    return `[${parts.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(",")}]`;
  }
  return edge.startsWith("v:") ? `[=${text}]` : `.${text}`;
}

/**
 * A set as some client sent it.
 * @returns undefined when it is none: an edge that is not understood, or something other than an object
 */
export function parseFieldSet(value: unknown): FieldSet | undefined {
  return isFieldSet(value) ? value : undefined;
}

function isFieldSet(value: unknown): value is FieldSet {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(([edge, child]) => isEdge(edge) && isFieldSet(child));
}

function isEdge(edge: string): boolean {
  if (edge === SELF || edge.startsWith("f:") || edge.startsWith("i:")) return true;
  if (!edge.startsWith("k:") && !edge.startsWith("v:")) return false;
  try {
    const value: unknown = JSON.parse(edge.slice(2));
    return edge.startsWith("v:") || (typeof value === "object" && value !== null);
  } catch {
    return false;
  }
}
