/**
 * @module Header blocks of SPDY/3: names and values with their lengths, in one zlib stream for each direction of a
 * connection, which begins with a dictionary and is never ended.
 */
import { constants, createInflate, deflateSync, type Inflate } from "node:zlib";
import { SPDY_DICTIONARY } from "./spdy-dictionary.ts";

export type Headers = ReadonlyMap<string, string>;

/** A block that grows beyond this is an attack on memory. */
const MAX_BLOCK_BYTES = 256 * 1024;
/** What one stored block of deflate can hold. */
const MAX_STORED_BYTES = 0xffff;

/** Blocks as they come from the other side, in their order. */
export class HeaderReader {
  readonly #inflate: Inflate;
  #error: Error | undefined;

  constructor() {
    this.#inflate = createInflate({ dictionary: SPDY_DICTIONARY, flush: constants.Z_SYNC_FLUSH });
    this.#inflate.on("error", (error) => {
      this.#error = error;
    });
  }

  /** One at a time. Rejects when the block is none; the connection is lost then. */
  async read(block: Buffer): Promise<Headers> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const drain = (): void => {
      for (;;) {
        const chunk = this.#inflate.read() as Buffer | null;
        if (chunk === null) return;
        bytes += chunk.length;
        if (bytes <= MAX_BLOCK_BYTES) chunks.push(chunk);
        else this.#inflate.destroy(new Error("a header block is too large"));
      }
    };
    this.#inflate.on("readable", drain);
    try {
      await new Promise<void>((resolve, reject) => {
        if (this.#error) {
          reject(this.#error);
          return;
        }
        this.#inflate.once("error", reject);
        this.#inflate.write(block, (error) => {
          this.#inflate.off("error", reject);
          if (error) reject(error);
          else resolve();
        });
      });
      drain();
    } finally {
      this.#inflate.off("readable", drain);
    }
    return parse(Buffer.concat(chunks));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

/** Lengths beyond the block's end read as what is there: `subarray` clamps, `readUInt32BE` throws. */
function parse(bytes: Buffer): Headers {
  const headers = new Map<string, string>();
  let at = 4;
  const word = (): string => {
    const start = at + 4;
    at = start + bytes.readUInt32BE(at);
    return bytes.toString("latin1", start, at);
  };
  const count = bytes.readUInt32BE(0);
  for (let read = 0; read < count && at < bytes.length; read++) {
    const name = word().toLowerCase();
    headers.set(name, word());
  }
  return headers;
}

function format(headers: Headers): Buffer {
  const parts: Buffer[] = [numberBytes(headers.size)];
  for (const word of [...headers].flat()) {
    const bytes = Buffer.from(word, "latin1");
    parts.push(numberBytes(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function numberBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** zlib's header and the sum of the dictionary. */
const ZLIB_START: Buffer = deflateSync("", { dictionary: SPDY_DICTIONARY }).subarray(0, 6);
/** An empty stored block: receivers hand out what they have when they see one. */
const FLUSH: Buffer = Buffer.from([0, 0, 0, 0xff, 0xff]);

/**
 * Blocks for the other side. They are stored, not compressed: ours are almost empty, and so no call has to wait for
 * zlib's thread, nor frames for one another.
 */
export class HeaderWriter {
  #begun = false;

  write(headers: Headers): Buffer {
    const bytes = format(headers);
    if (bytes.length > MAX_STORED_BYTES) throw new RangeError("a header block is too large to be stored");
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(bytes.length, 1);
    stored.writeUInt16LE(~bytes.length & 0xffff, 3);
    const start = this.#begun ? [] : [ZLIB_START];
    this.#begun = true;
    return Buffer.concat([...start, stored, bytes, FLUSH]);
  }
}
