/** @module The wire format of protobuf: numbered fields, each with the form of its value. */
import { ProtobufError } from "./protobuf-error.ts";

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** The value of a field: a number, or the range of bytes that it takes. */
export type WireValue =
  | { readonly kind: "varint"; readonly value: number }
  | { readonly kind: "bytes"; readonly bytes: Buffer };

/**
 * Calls `visit` for each field of a message, in the order of the bytes. Fields of fixed width are passed over: no message of
 * the Kubernetes API has one.
 *
 * @throws ProtobufError when the bytes end too early or are no message
 */
export function readFields(bytes: Buffer, visit: (field: number, value: WireValue) => void): void {
  const reader = new Reader(bytes);
  while (!reader.atEnd) {
    const tag = reader.varint();
    const field = Math.floor(tag / 8);
    if (field < 1) throw new ProtobufError(`proto: illegal tag ${field} (wire type ${tag % 8})`);
    switch (tag % 8) {
      case VARINT:
        visit(field, { kind: "varint", value: reader.varint() });
        break;
      case LENGTH:
        visit(field, { kind: "bytes", bytes: reader.take(reader.varint()) });
        break;
      case FIXED64:
        reader.take(8);
        break;
      case FIXED32:
        reader.take(4);
        break;
      default:
        throw new ProtobufError(`proto: illegal wireType ${tag % 8}`);
    }
  }
}

/** The numbers of a repeated field that were packed into one value. */
export function readPacked(bytes: Buffer): number[] {
  const reader = new Reader(bytes);
  const values: number[] = [];
  while (!reader.atEnd) values.push(reader.varint());
  return values;
}

class Reader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  take(length: number): Buffer {
    const end = this.#offset + length;
    if (length < 0 || end > this.#bytes.length) throw new ProtobufError("proto: unexpected EOF");
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  /** A signed number of up to 64 bits; beyond 2⁵³ it loses its last digits, as JSON numbers do. */
  varint(): number {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) throw new ProtobufError("proto: unexpected EOF");
      this.#offset += 1;
      const bits = byte & 0x7f;
      // Seven bits at 28 lie across the border of the two halves.
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= (bits & 0x0f) << 28;
        high |= bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) return high * 2 ** 32 + (low >>> 0);
    }
    throw new ProtobufError("proto: integer overflow");
  }
}
