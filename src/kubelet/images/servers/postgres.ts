/** @module PostgreSQL, as far as `pg_isready` and `psql -c` go: any login, and empty results. @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
import type { Socket } from "node:net";
import type { Served } from "./context.ts";

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const MAX_MESSAGE = 1024 * 1024;

export function postgresMessage(type: string, payload: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length + 4);
  return Buffer.concat([Buffer.from(type), length, payload]);
}

const READY = postgresMessage("Z", Buffer.from("I"));

/** AuthenticationOk, the parameters that clients read, ReadyForQuery. */
export function postgresWelcome(version: string): Buffer {
  const parameters = [
    ["server_version", version],
    ["server_encoding", "UTF8"],
    ["client_encoding", "UTF8"],
    ["standard_conforming_strings", "on"],
    ["DateStyle", "ISO, MDY"],
    ["TimeZone", "UTC"],
  ];
  const key = postgresMessage("K", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1]));
  return Buffer.concat([
    postgresMessage("R", Buffer.alloc(4)),
    ...parameters.map(([name = "", value = ""]) => postgresMessage("S", Buffer.from(`${name}\0${value}\0`))),
    key,
    READY,
  ]);
}

/** The answer to a message after the login; undefined where none is due. */
function answer(type: string, payload: Buffer): Buffer | undefined {
  switch (type) {
    case "Q": {
      const words = payload.toString().replace(/\0$/, "").trim();
      const verb = (words.split(/\s+/)[0] ?? "").toUpperCase();
      if (words === "") return Buffer.concat([postgresMessage("I", Buffer.alloc(0)), READY]);
      const rows = verb === "SELECT" || verb === "SHOW";
      const description = rows ? [postgresMessage("T", Buffer.alloc(2))] : [];
      return Buffer.concat([
        ...description,
        postgresMessage("C", Buffer.from(`${rows ? "SELECT 0" : verb}\0`)),
        READY,
      ]);
    }
    case "P":
      return postgresMessage("1", Buffer.alloc(0));
    case "B":
      return postgresMessage("2", Buffer.alloc(0));
    case "D":
      return postgresMessage("n", Buffer.alloc(0));
    case "E":
      return postgresMessage("C", Buffer.from("SELECT 0\0"));
    case "S":
      return READY;
    default:
      return undefined;
  }
}

export function servePostgres(socket: Socket, { context }: Served): void {
  const version = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0] ?? "17.2";
  let pending: Buffer = Buffer.alloc(0);
  let started = false;
  const first = (): boolean => {
    if (pending.length < 8) return false;
    const length = pending.readInt32BE(0);
    if (length < 8 || length > MAX_MESSAGE) socket.destroy();
    if (pending.length < length || socket.destroyed) return false;
    const code = pending.readInt32BE(4);
    pending = pending.subarray(length);
    if (code === SSL_REQUEST || code === GSS_REQUEST) socket.write("N");
    else if (code === CANCEL_REQUEST) socket.end();
    else {
      started = true;
      socket.write(postgresWelcome(version));
    }
    return true;
  };
  const next = (): boolean => {
    if (pending.length < 5) return false;
    const type = String.fromCharCode(pending[0] ?? 0);
    const length = pending.readInt32BE(1) + 1;
    if (length < 5 || length > MAX_MESSAGE) socket.destroy();
    if (pending.length < length || socket.destroyed) return false;
    const reply = answer(type, pending.subarray(5, length));
    pending = pending.subarray(length);
    if (type === "X") socket.end();
    else if (reply) socket.write(reply);
    return true;
  };
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (started ? next() : first());
  });
}
