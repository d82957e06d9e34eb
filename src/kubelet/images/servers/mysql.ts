/**
 * @module MySQL, as far as clients go that only want to know whether they reach it: the greeting, any login, OK to
 * every statement, and rows for the few that ask who is there.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Served } from "./context.ts";
import { ProtocolError, serveMessages } from "./messages.ts";

/** Protocol 4.1, long password, transactions, secure connection, plugin auth, connect with db. */
const CAPABILITIES = 0x0008_a20d;
const UTF8MB4 = 255;
const AUTOCOMMIT = 2;
const MOST_MESSAGE_BYTES = 256 * 1024;
const COM_QUIT = 1;
const COM_QUERY = 3;
const PLUGIN = "mysql_native_password";

export function mysqlPacket(sequence: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUIntLE(payload.length, 0, 3);
  header.writeUInt8(sequence & 255, 3);
  return Buffer.concat([header, payload]);
}

/** Handshake V10. @param salt - 20 bytes without zeros */
export function mysqlGreeting(version: string, connection: number, salt: Buffer): Buffer {
  const fixed = Buffer.alloc(4 + 8 + 1);
  fixed.writeUInt32LE(connection, 0);
  salt.copy(fixed, 4, 0, 8);
  const rest = Buffer.alloc(2 + 1 + 2 + 2 + 1 + 10);
  rest.writeUInt16LE(CAPABILITIES & 0xffff, 0);
  rest.writeUInt8(UTF8MB4, 2);
  rest.writeUInt16LE(AUTOCOMMIT, 3);
  rest.writeUInt16LE(CAPABILITIES >>> 16, 5);
  rest.writeUInt8(21, 7);
  const name = Buffer.from(`\x0a${version}\0`);
  const tail = Buffer.concat([salt.subarray(8, 20), Buffer.from(`\0${PLUGIN}\0`)]);
  return mysqlPacket(0, Buffer.concat([name, fixed, rest, tail]));
}

/** OK: no rows affected, no insert id, autocommit, no warnings. */
export function mysqlOk(sequence: number): Buffer {
  return mysqlPacket(sequence, Buffer.from([0, 0, 0, AUTOCOMMIT, 0, 0, 0]));
}

function lengthText(text: string): Buffer {
  const bytes = Buffer.from(text);
  // One length byte reaches to 250; our texts are shorter.
  return Buffer.concat([Buffer.from([Math.min(bytes.length, 250)]), bytes.subarray(0, 250)]);
}

/** A result of one row and one column of text. */
export function mysqlRow(sequence: number, column: string, value: string): Buffer {
  const definition = Buffer.concat([
    ...["def", "", "", "", column, column].map(lengthText),
    Buffer.from([0x0c, UTF8MB4, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0, 0, 0]),
  ]);
  const end = Buffer.from([0xfe, 0, 0, AUTOCOMMIT, 0]);
  const packets = [Buffer.from([1]), definition, end, lengthText(value), end];
  return Buffer.concat(packets.map((payload, index) => mysqlPacket(sequence + index, payload)));
}

function versionOf({ context }: Served): string {
  const tag = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0];
  const maria = context.image.pattern.startsWith("maria");
  return maria ? `5.5.5-${tag ?? "11.4.2"}-MariaDB` : (tag ?? "8.4.3");
}

/** What a SELECT asks for. Not by one pattern over the whole: a client may send one that is long to match. */
function selected(statement: string): string | undefined {
  const rest = /^select\s+(?=\S)/i.exec(statement);
  if (!rest) return undefined;
  const words = statement.slice(rest[0].length);
  const limit = words.search(/\slimit\s+\d+$/i);
  return (limit < 0 ? words : words.slice(0, limit)).trim();
}

function query(text: string, sequence: number, served: Served): Buffer {
  const statement = text.trim().replace(/;$/, "");
  const select = selected(statement);
  if (select === undefined) return mysqlOk(sequence);
  if (/version/i.test(select)) return mysqlRow(sequence, select, versionOf(served));
  if (/hostname/i.test(select)) return mysqlRow(sequence, select, served.context.hostname);
  return mysqlRow(sequence, select, /^\d+$/.test(select) ? select : "");
}

let connections = 0;

export function serveMysql(socket: Socket, served: Served): void {
  const salt = Buffer.from(randomBytes(20).map((byte) => (byte % 94) + 33));
  let loggedIn = false;
  socket.write(mysqlGreeting(versionOf(served), ++connections, salt));
  serveMessages(socket, MOST_MESSAGE_BYTES, (bytes) => {
    if (bytes.length < 4) return undefined;
    const length = bytes.readUIntLE(0, 3);
    if (length > MOST_MESSAGE_BYTES) throw new ProtocolError("a packet is too long");
    if (bytes.length < length + 4) return undefined;
    const sequence = bytes.readUInt8(3) + 1;
    const payload = bytes.subarray(4, 4 + length);
    if (loggedIn && payload[0] === COM_QUIT) return { bytes: length + 4, isLast: true };
    const asks = loggedIn && payload[0] === COM_QUERY;
    loggedIn = true;
    const answer = asks ? query(payload.subarray(1).toString(), sequence, served) : mysqlOk(sequence);
    return { bytes: length + 4, answer };
  });
}
