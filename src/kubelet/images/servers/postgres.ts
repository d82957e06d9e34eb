/** @module PostgreSQL, as far as `pg_isready` and `psql -c` go: any login, and empty results. @see https://www.postgresql.org/docs/current/protocol-message-formats.html */
import type { Socket } from "node:net";
import type { Served } from "./context.ts";
import { type Message, ProtocolError, serveMessages } from "./messages.ts";

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const MOST_MESSAGE_BYTES = 256 * 1024;

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
      const verb = (words.split(/\s+/, 1)[0] ?? "").toUpperCase();
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

function lengthAt(bytes: Buffer, at: number): number {
  const length = bytes.readInt32BE(at);
  if (length < 4 || length > MOST_MESSAGE_BYTES) throw new ProtocolError(`invalid length ${length}`);
  return length;
}

export function servePostgres(socket: Socket, { context }: Served): void {
  const version = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0] ?? "17.2";
  let started = false;
  const first = (bytes: Buffer): Message | undefined => {
    if (bytes.length < 8) return undefined;
    const length = lengthAt(bytes, 0);
    if (length < 8) throw new ProtocolError("a start is too short");
    if (bytes.length < length) return undefined;
    const code = bytes.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) return { bytes: length, answer: "N" };
    if (code === CANCEL_REQUEST) return { bytes: length, isLast: true };
    started = true;
    return { bytes: length, answer: postgresWelcome(version) };
  };
  const next = (bytes: Buffer): Message | undefined => {
    if (bytes.length < 5) return undefined;
    const type = String.fromCharCode(bytes[0] ?? 0);
    const length = lengthAt(bytes, 1) + 1;
    if (bytes.length < length) return undefined;
    if (type === "X") return { bytes: length, isLast: true };
    return { bytes: length, answer: answer(type, bytes.subarray(5, length)) };
  };
  serveMessages(socket, MOST_MESSAGE_BYTES + 1, (bytes) => (started ? next(bytes) : first(bytes)));
}
