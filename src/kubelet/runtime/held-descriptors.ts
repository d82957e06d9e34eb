/** @module File descriptors that other threads know by number: closed when none of them uses them any more. */
import { closeSync } from "node:fs";

export class HeldDescriptors {
  readonly #descriptors: readonly number[];
  #users = 0;
  #released = false;

  constructor(descriptors: readonly number[]) {
    this.#descriptors = descriptors;
  }

  /** They stay open until `work` is done, whatever {@link release} says meanwhile. */
  async whileOpen<T>(work: () => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      this.#closeIfUnused();
    }
  }

  /** Once. */
  release(): void {
    this.#released = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#released && this.#users === 0)
      for (const descriptor of this.#descriptors) closeSync(descriptor);
  }
}
