/** @module Records of a log in the form of the Container Runtime Interface, to the text that a client sees. */
import type { LogQuery } from "./log-query.ts";

const NEWLINE = 10;
const SPACE = 32;
const FULL = "F".charCodeAt(0);
/** `2026-11-21T08:00:00.000000000Z stdout F `: the places of its parts. */
const TIME_BYTES = 30;
const STREAM_AT = TIME_BYTES + 1;
const TAG_AT = STREAM_AT + "stdout ".length;
export const HEAD_BYTES: number = TAG_AT + 2;

/** Whether a record ends its line. @param record - its beginning at least */
export function endsLine(record: Buffer): boolean {
  return record[TAG_AT] === FULL;
}

type Wanted = Pick<LogQuery, "timestamps" | "since" | "limitBytes" | "stream">;

/** Holds the beginning of a record that has not come whole, and nothing else. */
export class RecordFormatter {
  readonly #wanted: Wanted;
  #rest: Buffer | undefined;
  #isMidLine = false;
  /** Times only grow: behind the first line that is shown, none is compared. */
  #isSince: boolean;
  #left: number;

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
    this.#isSince = wanted.since === undefined;
    this.#left = wanted.limitBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Whether nothing more may be told. */
  get isFull(): boolean {
    return this.#left === 0;
  }

  format(chunk: Buffer): Buffer {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    const parts: Buffer[] = [];
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) break;
      this.#record(bytes.subarray(start, end + 1), parts);
      start = end + 1;
    }
    this.#rest = start < bytes.length ? Buffer.from(bytes.subarray(start)) : undefined;
    const text = Buffer.concat(parts);
    if (text.length <= this.#left) {
      this.#left -= text.length;
      return text;
    }
    const cut = text.subarray(0, this.#left);
    this.#left = 0;
    return cut;
  }

  /** Of a rotated file that ended in the middle of a record nothing more comes. */
  forgetRest(): void {
    this.#rest = undefined;
  }

  #record(record: Buffer, parts: Buffer[]): void {
    if (record.length < HEAD_BYTES + 1 || record[TIME_BYTES] !== SPACE) return;
    const { since, stream, timestamps } = this.#wanted;
    if (stream !== undefined && record.toString("latin1", STREAM_AT, STREAM_AT + 6) !== stream) return;
    if (!this.#isSince) {
      if (since !== undefined && record.toString("latin1", 0, TIME_BYTES) < since) return;
      this.#isSince = true;
    }
    if (timestamps && !this.#isMidLine) parts.push(record.subarray(0, TIME_BYTES + 1));
    this.#isMidLine = !endsLine(record);
    parts.push(record.subarray(HEAD_BYTES, this.#isMidLine ? -1 : undefined));
  }
}
