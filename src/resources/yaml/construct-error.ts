/** @module Why a document's events make no value. */

/** Caught in `documents.ts`. */
export class ConstructError extends Error {
  override readonly name = "ConstructError";
  readonly code: string;
  /** In the document's text. */
  readonly offset: number;
  constructor(code: string, message: string, offset: number) {
    super(message);
    this.code = code;
    this.offset = offset;
  }
}
