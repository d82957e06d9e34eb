/** @module New sizes of a terminal: JSON objects one after the other, in pieces of any length. */
import type { TerminalSize } from "../runtime/container.ts";

const MAX_OBJECT_CHARACTERS = 1024;
const MAX_BYTES = 64 * 1024;

export class ResizeReader {
  readonly #listeners: ((size: TerminalSize) => void)[] = [];
  #last: TerminalSize | undefined;
  #rest = "";

  /** Who comes late is told the size as it is. */
  listen(listener: (size: TerminalSize) => void): void {
    this.#listeners.push(listener);
    if (this.#last) listener(this.#last);
  }

  receive(bytes: Buffer): void {
    // A size has some forty bytes.
    if (bytes.length > MAX_BYTES) return;
    const [rest = "", ...objects] = (this.#rest + bytes.toString()).split("}").reverse();
    this.#rest = rest.slice(0, MAX_OBJECT_CHARACTERS);
    for (const text of objects.reverse()) {
      const size = parse(`${text}}`);
      if (!size) continue;
      this.#last = size;
      for (const listener of this.#listeners) listener(size);
    }
  }
}

/** @returns undefined for what is no size: a client's mistake here is not worth its session */
function parse(text: string): TerminalSize | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as { readonly Width?: unknown; readonly Height?: unknown };
    if (!isSize(Width) || !isSize(Height)) return undefined;
    return { columns: Width, rows: Height };
  } catch {
    return undefined;
  }
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536;
}
