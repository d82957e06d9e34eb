/** @module Waits until a log has more to tell. */
import { type FSWatcher, watch } from "node:fs";
import path from "node:path";

/** Where the kernel watches no more files for us, we look ourselves. */
const LOOK_MS = 100;

/** Remembers what happens between two waits: nobody who reads to the end and then waits misses anything. */
export class LogWatch {
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasNews = false;
  #wake: (() => void) | undefined;

  constructor(file: string) {
    try {
      // The folder, and not the file, which is another one after a rotation.
      this.#watcher = watch(path.dirname(file), (_event, name) => {
        if (name === null || name === path.basename(file)) this.notify();
      });
      this.#watcher.on("error", () => this.#look());
    } catch {
      this.#look();
    }
  }

  #look(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#timer ??= setInterval(() => this.notify(), LOOK_MS);
  }

  notify(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  async next(): Promise<void> {
    if (!this.#hasNews)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    this.#wake = undefined;
    this.#hasNews = false;
  }

  close(): void {
    this.#watcher?.close();
    clearInterval(this.#timer);
    this.notify();
  }
}
