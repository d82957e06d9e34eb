/** @module Where an object came from, so that every answer can point at a line. */
import type { Position } from "../base/issue.ts";
import { joinPath } from "./yaml/field-path.ts";

/**
 * The place in a document that an object was read from. Positions are looked up only when somebody asks: reading ten
 * thousand manifests must not pay for line numbers that nobody sees.
 */
export interface Source {
  /** File name as the user gave it, or `<stdin>`, or `<inline>` for objects that no file holds. */
  readonly file: string;
  /**
   * @param path - a field inside the object, `spec.ingress[0].from[1]`; "" is the object itself
   * @param offset - a place inside the field's text, in UTF-16 units from 0: for what is wrong in the middle of a selector
   * @returns the place of that field, or of its nearest parent that exists; undefined when no text is behind the object.
   *   With `offset`: that character where the text stands in the file as it reads, otherwise where the text starts
   */
  locate(path: string, offset?: number): Position | undefined;
}

/** For objects built in memory. */
export const NO_SOURCE: Source = { file: "<inline>", locate: () => undefined };

/** The source of a value inside another: paths are then paths inside that value. */
export function sourceInside(outer: Source, path: string): Source {
  return { file: outer.file, locate: (inner, offset) => outer.locate(joinPath(path, inner), offset) };
}
