/** @module ICMP (RFC 792, RFC 4443) and SCTP (RFC 9260) packets as bytes. */

/** RFC 1071. */
export function internetChecksum(bytes: Buffer): number {
  let sum = 0;
  for (let index = 0; index + 1 < bytes.length; index += 2) sum += bytes.readUInt16BE(index);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export interface IcmpMessage {
  readonly type: number;
  readonly code: number;
  readonly id: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

/** The checksum is written for IPv4; for ICMPv6 the kernel does it, as it covers a pseudo header. */
export function icmpPacket(family: 4 | 6, message: IcmpMessage): Buffer {
  const bytes = Buffer.alloc(8 + message.payload.length);
  bytes[0] = message.type;
  bytes[1] = message.code;
  bytes.writeUInt16BE(message.id, 4);
  bytes.writeUInt16BE(message.sequence, 6);
  bytes.set(message.payload, 8);
  if (family === 4) bytes.writeUInt16BE(internetChecksum(bytes), 2);
  return bytes;
}

export function parseIcmp(bytes: Buffer): IcmpMessage | undefined {
  if (bytes.length < 8) return undefined;
  return {
    type: bytes[0] ?? 0,
    code: bytes[1] ?? 0,
    id: bytes.readUInt16BE(4),
    sequence: bytes.readUInt16BE(6),
    payload: bytes.subarray(8),
  };
}

/** Castagnoli's polynomial, reversed (RFC 9260 appendix A). */
const CRC32C_POLYNOMIAL = 0x82f63b78;
const CRC32C_TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++)
    value = (value & 1) === 1 ? (value >>> 1) ^ CRC32C_POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC32C_TABLE[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}

export const SCTP_INIT = 1;
export const SCTP_INIT_ACK = 2;
export const SCTP_ABORT = 6;
/** "State cookie", which an INIT ACK must carry. */
const SCTP_STATE_COOKIE = 7;

export interface SctpPacket {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** The receiver's tag: 0 in an INIT. */
  readonly verificationTag: number;
  readonly chunk: number;
  /** The sender's tag; in INIT and INIT ACK. */
  readonly initiateTag?: number;
}

export function sctpPacket(packet: SctpPacket): Buffer {
  const cookie = packet.chunk === SCTP_INIT_ACK ? 8 : 0;
  const size = packet.chunk === SCTP_ABORT ? 4 : 20 + cookie;
  const bytes = Buffer.alloc(12 + size);
  bytes.writeUInt16BE(packet.sourcePort, 0);
  bytes.writeUInt16BE(packet.destinationPort, 2);
  bytes.writeUInt32BE(packet.verificationTag >>> 0, 4);
  bytes[12] = packet.chunk;
  bytes.writeUInt16BE(size, 14);
  if (packet.chunk !== SCTP_ABORT) {
    bytes.writeUInt32BE((packet.initiateTag ?? 1) >>> 0, 16);
    bytes.writeUInt32BE(65_536, 20);
    bytes.writeUInt16BE(1, 24);
    bytes.writeUInt16BE(1, 26);
    bytes.writeUInt32BE(1, 28);
  }
  if (cookie > 0) {
    bytes.writeUInt16BE(SCTP_STATE_COOKIE, 32);
    bytes.writeUInt16BE(cookie, 34);
  }
  bytes.writeUInt32LE(crc32c(bytes), 8);
  return bytes;
}

export function parseSctp(bytes: Buffer): SctpPacket | undefined {
  if (bytes.length < 16) return undefined;
  const chunk = bytes[12] ?? 0;
  const base = {
    sourcePort: bytes.readUInt16BE(0),
    destinationPort: bytes.readUInt16BE(2),
    verificationTag: bytes.readUInt32BE(4),
    chunk,
  };
  if ((chunk !== SCTP_INIT && chunk !== SCTP_INIT_ACK) || bytes.length < 20) return base;
  return { ...base, initiateTag: bytes.readUInt32BE(16) };
}
