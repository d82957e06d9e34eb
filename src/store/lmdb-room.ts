/**
 * @module Room on disk for the database's next transaction, taken before it begins.
 *
 * lmdb 3.5 writes beyond the end of a buffer of its own when the disk has no room for a page (the message that it makes of
 * it), which ends the process now or later. So it is never to find a full disk: its file is made longer by ourselves, with
 * zeros behind the last page, where the next pages go. A file system that writes every block anew cannot promise that.
 */
import { closeSync, openSync, statSync, writeSync } from "node:fs";

/** What a change may copy and split of the tree, four pages deep, beside its value. */
const CHANGE_BYTES = 32 * 1024;
/** The list of free pages, and what else a transaction writes. */
const TRANSACTION_BYTES = 256 * 1024;
/** Taken at once, so that not every transaction has to ask. */
const AHEAD_BYTES = 1024 * 1024;

export interface UsedPages {
  readonly lastPageNumber: number;
  readonly pageSize: number;
}

export class LmdbRoom {
  readonly #file: string;
  readonly #used: () => UsedPages;
  /** At least so much is free behind the last page. */
  #free = 0;

  /** @param used - of the database as it is on disk */
  constructor(file: string, used: () => UsedPages) {
    this.#file = file;
    this.#used = used;
  }

  /** @throws what the file system throws when there is no room: nothing was changed then */
  take(valueBytes: readonly number[]): void {
    const needed = valueBytes.reduce((sum, bytes) => sum + bytes + CHANGE_BYTES, TRANSACTION_BYTES);
    if (this.#free < needed) this.#extend(needed);
    this.#free -= needed;
  }

  #extend(needed: number): void {
    const { lastPageNumber, pageSize } = this.#used();
    const used = (lastPageNumber + 1) * pageSize;
    const { size } = statSync(this.#file);
    if (size < used + needed) {
      const aim = used + needed + AHEAD_BYTES;
      this.#fill(size, aim - (aim % pageSize));
    }
    this.#free = statSync(this.#file).size - used;
  }

  #fill(from: number, to: number): void {
    const opened = openSync(this.#file, "r+");
    try {
      const zeros = Buffer.alloc(Math.min(to - from, AHEAD_BYTES));
      for (let at = from; at < to; ) at += writeSync(opened, zeros, 0, Math.min(zeros.length, to - at), at);
    } finally {
      closeSync(opened);
    }
  }
}
