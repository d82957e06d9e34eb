import { expect, test } from "vitest";
import {
  crc32c,
  icmpPacket,
  internetChecksum,
  parseIcmp,
  parseSctp,
  SCTP_ABORT,
  SCTP_INIT,
  SCTP_INIT_ACK,
  sctpPacket,
} from "./packets.ts";

test("crc32c of the check string is what RFC 3720 and every table of CRCs say", () => {
  expect(crc32c(Buffer.from("123456789")).toString(16)).toBe("e3069283");
});

test("the checksum of a packet that carries its checksum is zero", () => {
  const packet = icmpPacket(4, { type: 8, code: 0, id: 7, sequence: 9, payload: Buffer.from("odd") });
  expect(internetChecksum(packet)).toBe(0);
});

test("ICMP reads back", () => {
  const message = { type: 8, code: 3, id: 0xfffe, sequence: 1, payload: Buffer.from("abcd") };
  expect(parseIcmp(icmpPacket(6, message))).toEqual(message);
  expect(parseIcmp(Buffer.alloc(7))).toBeUndefined();
});

test.each([SCTP_INIT, SCTP_INIT_ACK, SCTP_ABORT])(
  "SCTP chunk %i reads back, its checksum included",
  (chunk) => {
    const packet = { sourcePort: 1, destinationPort: 65_535, verificationTag: 0xdeadbeef, chunk };
    const bytes = sctpPacket({ ...packet, initiateTag: 5 });
    expect(parseSctp(bytes)).toEqual(chunk === SCTP_ABORT ? packet : { ...packet, initiateTag: 5 });
    const checksum = bytes.readUInt32LE(8);
    bytes.writeUInt32LE(0, 8);
    expect(crc32c(bytes)).toBe(checksum);
  },
);
