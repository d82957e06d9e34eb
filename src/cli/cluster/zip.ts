/** @module One file out of a zip archive (PKWARE's APPNOTE, sections 4.3.12 and 4.3.16). */
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { OpError } from "../../base/errors.ts";

const END_OF_DIRECTORY = 0x06054b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DEFLATED = 8;

/** @throws OpError `file-unreadable` */
export function readZipEntry(archive: string, name: string): Buffer {
  const bytes = readFileSync(archive);
  let end = bytes.length - 22;
  while (end >= 0 && bytes.readUInt32LE(end) !== END_OF_DIRECTORY) end--;
  if (end < 0) throw new OpError(`${archive} is no zip archive`, { code: "file-unreadable" });
  const count = bytes.readUInt16LE(end + 10);
  let at = bytes.readUInt32LE(end + 16);
  for (let place = 0; place < count && bytes.readUInt32LE(at) === DIRECTORY_ENTRY; place++) {
    const nameLength = bytes.readUInt16LE(at + 28);
    const size = bytes.readUInt32LE(at + 20);
    const local = bytes.readUInt32LE(at + 42);
    if (bytes.toString("utf8", at + 46, at + 46 + nameLength) === name) {
      const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
      const data = bytes.subarray(start, start + size);
      return bytes.readUInt16LE(at + 10) === DEFLATED ? inflateRawSync(data) : Buffer.from(data);
    }
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  throw new OpError(`${archive} holds no ${name}`, { code: "file-unreadable" });
}
