/** @module Frames of SPDY/3.1: eight bytes of head, then a payload. Those of data are handed out as they come. */

export const SPDY_VERSION = 3;

export const FRAME = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const FLAG_FIN = 1;
const HEAD_BYTES = 8;
const CONTROL_BIT = 0x80;
/** Only data comes in longer frames. */
const MAX_CONTROL_BYTES = 64 * 1024;

export interface ControlFrame {
  readonly kind: "control";
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** A piece of a data frame; `isLast` belongs to the last piece of one with FIN. */
export interface DataPiece {
  readonly kind: "data";
  readonly stream: number;
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

export class FrameReader {
  #rest: Buffer | undefined;
  /** What is still to come of a data frame. */
  #data: { readonly stream: number; readonly isLast: boolean; left: number } | undefined;

  /** @throws Error when these are no frames: the connection is lost then */
  *read(chunk: Buffer): Generator<ControlFrame | DataPiece> {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (bytes.length > 0) {
      if (this.#data) {
        const piece = bytes.subarray(0, this.#data.left);
        bytes = bytes.subarray(piece.length);
        yield this.#piece(this.#data, piece);
        continue;
      }
      if (bytes.length < HEAD_BYTES) break;
      const length = bytes.readUIntBE(5, 3);
      const flags = bytes[4] ?? 0;
      if (((bytes[0] ?? 0) & CONTROL_BIT) === 0) {
        const data = { stream: bytes.readUInt32BE(0), isLast: (flags & FLAG_FIN) !== 0, left: length };
        bytes = bytes.subarray(HEAD_BYTES);
        if (length > 0) this.#data = data;
        else yield this.#piece(data, bytes.subarray(0, 0));
        continue;
      }
      if (length > MAX_CONTROL_BYTES) throw new Error(`a SPDY control frame of ${length} bytes`);
      const version = bytes.readUInt16BE(0) & 0x7fff;
      if (version !== SPDY_VERSION) throw new Error(`SPDY version ${version} is not spoken here`);
      const end = HEAD_BYTES + length;
      if (bytes.length < end) break;
      yield {
        kind: "control",
        type: bytes.readUInt16BE(2),
        flags,
        payload: bytes.subarray(HEAD_BYTES, end),
      };
      bytes = bytes.subarray(end);
    }
    // A copy: what is left of a large chunk would keep all of it.
    if (bytes.length > 0) this.#rest = Buffer.from(bytes);
  }

  #piece(
    data: { readonly stream: number; readonly isLast: boolean; left: number },
    bytes: Buffer,
  ): DataPiece {
    data.left -= bytes.length;
    if (data.left === 0) this.#data = undefined;
    return { kind: "data", stream: data.stream, bytes, isLast: data.isLast && data.left === 0 };
  }
}

export function controlFrame(type: number, payload: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16BE(0x8000 | SPDY_VERSION, 0);
  head.writeUInt16BE(type, 2);
  head[4] = flags;
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

/** @param bytes - less than 16 MiB */
export function dataFrame(stream: number, bytes: Buffer, flags = 0): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes.length);
  frame.writeUInt32BE(stream, 0);
  frame[4] = flags;
  frame.writeUIntBE(bytes.length, 5, 3);
  bytes.copy(frame, HEAD_BYTES);
  return frame;
}

/** Payloads of 32-bit numbers: SYN_REPLY begins with one, RST_STREAM and GOAWAY are two. */
export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [place, value] of values.entries()) bytes.writeUInt32BE(value, place * 4);
  return bytes;
}
