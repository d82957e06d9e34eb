/** @module What a watcher is still to be told: written as fast as it reads, and made into text only then. */
import type { ServerResponse } from "node:http";

/** What a client may leave unread before it is cut off. It lists again then. */
const MAX_UNREAD = 16 * 1024 * 1024;
/** So much is joined into one write. */
const BATCH = 64 * 1024;

export interface Item {
  readonly text: () => string;
  /** Of its text, about: counts against what may be left unread. */
  readonly size: number;
}

export class WatchOutbox {
  readonly #response: ServerResponse;
  #items: Item[] = [];
  #next = 0;
  #unread = 0;
  #last: string | undefined;
  #isWaiting = false;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.on("drain", () => {
      this.#isWaiting = false;
      this.#write();
    });
  }

  /** Told in its turn, however much that is: it is there already, and held by the store. */
  owe(text: () => string): void {
    this.#items.push({ text, size: 0 });
    this.#write();
  }

  /** What happened together, in its turn. A client that has left too much unread of what was before is cut off. */
  add(items: readonly Item[]): void {
    if (this.#unread + this.#response.writableLength > MAX_UNREAD) {
      this.#cut();
      return;
    }
    for (const item of items) {
      this.#items.push(item);
      this.#unread += item.size;
    }
    this.#write();
  }

  /** The end, once everything is told. */
  end(text: string): void {
    this.#last = text;
    this.#write();
  }

  #write(): void {
    if (this.#isWaiting || this.#response.destroyed || this.#response.writableEnded) return;
    try {
      while (this.#next < this.#items.length) {
        const batch = this.#batch();
        if (batch !== "" && !this.#response.write(batch)) {
          this.#isWaiting = true;
          return;
        }
      }
    } catch {
      // One object that cannot be told is this watcher's trouble; whoever else watches goes on.
      this.#cut();
      return;
    }
    this.#items = [];
    this.#next = 0;
    if (this.#last !== undefined) this.#response.end(this.#last);
  }

  #batch(): string {
    let batch = "";
    while (batch.length < BATCH && this.#next < this.#items.length) {
      const item = this.#items[this.#next++] as Item;
      this.#unread -= item.size;
      batch += item.text();
    }
    // What was told is not held until everything is.
    if (this.#next > 1024) {
      this.#items = this.#items.slice(this.#next);
      this.#next = 0;
    }
    return batch;
  }

  #cut(): void {
    this.#items = [];
    this.#next = 0;
    this.#response.destroy();
  }
}
