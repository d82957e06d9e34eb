/**
 * @module MySQL, as far as clients go that only want to know whether they reach it: the greeting, any login, OK to
 * every statement, and rows for the few that ask who is there.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html
 */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { Served } from "./context.ts";

/** Protocol 4.1, long password, transactions, secure connection, plugin auth, connect with db. */
const CAPABILITIES = 0x0008_a20d;
const UTF8MB4 = 255;
const AUTOCOMMIT = 2;
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

function query(text: string, sequence: number, served: Served): Buffer {
  const statement = text.trim().replace(/;$/, "");
  const select = /^select\s+(.+?)(?:\s+limit\s+\d+)?$/is.exec(statement)?.[1];
  if (select === undefined) return mysqlOk(sequence);
  if (/version/i.test(select)) return mysqlRow(sequence, select, versionOf(served));
  if (/hostname/i.test(select)) return mysqlRow(sequence, select, served.context.hostname);
  return mysqlRow(sequence, select, /^\d+$/.test(select) ? select : "");
}

let connections = 0;

export function serveMysql(socket: Socket, served: Served): void {
  const salt = Buffer.from(randomBytes(20).map((byte) => (byte % 94) + 33));
  let pending: Buffer = Buffer.alloc(0);
  let loggedIn = false;
  socket.write(mysqlGreeting(versionOf(served), ++connections, salt));
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUIntLE(0, 3);
      if (pending.length < length + 4) return;
      const sequence = pending.readUInt8(3) + 1;
      const payload = pending.subarray(4, 4 + length);
      pending = pending.subarray(4 + length);
      if (loggedIn && payload[0] === COM_QUIT) {
        socket.end();
        return;
      }
      const asks = loggedIn && payload[0] === COM_QUERY;
      socket.write(asks ? query(payload.subarray(1).toString(), sequence, served) : mysqlOk(sequence));
      loggedIn = true;
    }
  });
}
