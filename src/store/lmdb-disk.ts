/** @module The database on disk: changes that are made all or none, and why one could not be made. */
import path from "node:path";
import { type Database, open } from "lmdb";
import { LmdbRoom, type UsedPages } from "./lmdb-room.ts";

export interface Change {
  readonly key: string;
  /** undefined: deleted. */
  readonly value: string | undefined;
}

/** The part of the database that is written while it is open. */
export interface Disk {
  get(key: string): string | undefined;
  /** All or none; rejects with why. One at a time. */
  commit(changes: readonly Change[]): Promise<void>;
  close(): Promise<void>;
}

const MOST_BYTES = 16 * 1024 ** 3;
/** The database is at an end until it is opened again (lmdb.h, MDB_PANIC). */
const PANIC = -30_795;

type LmdbDatabase = Pick<
  Database<string, string>,
  "get" | "getRange" | "put" | "remove" | "close" | "getStats"
>;

export class LmdbDisk implements Disk {
  readonly #folder: string;
  readonly #open: (folder: string) => LmdbDatabase;
  readonly #room: LmdbRoom;
  #database: LmdbDatabase;

  constructor(folder: string, openFolder: (folder: string) => LmdbDatabase = openDatabase) {
    this.#folder = folder;
    this.#open = openFolder;
    this.#database = openFolder(folder);
    this.#room = new LmdbRoom(path.join(folder, "data.mdb"), () => this.#database.getStats() as UsedPages);
  }

  get(key: string): string | undefined {
    return this.#database.get(key);
  }

  *entries(start: string): Iterable<{ readonly key: string; readonly value: string }> {
    yield* this.#database.getRange({ start });
  }

  async commit(changes: readonly Change[]): Promise<void> {
    try {
      this.#room.take(changes.map(({ value = "" }) => Buffer.byteLength(value)));
    } catch (cause) {
      throw new Error(roomFault(cause), { cause });
    }
    // Of one turn: one transaction.
    const done = changes.map(({ key, value }) =>
      value === undefined ? this.#database.remove(key) : this.#database.put(key, value),
    );
    const results = await Promise.allSettled(done);
    const failed = results.find((result) => result.status === "rejected");
    if (!failed) return;
    const { code, words } = await causeOf(failed.reason);
    if (code === PANIC) await this.#reopen();
    throw new Error(words, { cause: failed.reason });
  }

  async #reopen(): Promise<void> {
    await this.#database.close();
    this.#database = this.#open(this.#folder);
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

function openDatabase(folder: string): Database<string, string> {
  return open<string, string>({ path: folder, encoding: "string", mapSize: MOST_BYTES, maxReaders: 16 });
}

/** lmdb says of a write only that it failed, and why in a promise beside. */
async function causeOf(reason: unknown): Promise<{ readonly code: unknown; readonly words: string }> {
  let cause = reason;
  if (reason instanceof Error && "commitError" in reason)
    cause = await Promise.resolve(reason.commitError).catch((error: unknown) => error);
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return { code, words: cause instanceof Error ? cause.message : String(cause) };
}

function roomFault(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return code === "ENOSPC" ? "no space left on device" : message;
}
