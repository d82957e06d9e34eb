/**
 * @module How a stand-in reads a client's messages: bounded, one at a time, and no faster than the client reads the answers.
 * Whatever cannot be read ends that connection, and nothing else.
 */
import type { Socket } from "node:net";

/** A client that sent what the protocol does not know: its connection ends. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** One message, from the front of what has come. */
export interface Message {
  /** Its length. */
  readonly bytes: number;
  readonly answer?: Buffer | string | undefined;
  /** After it, the connection is over. */
  readonly isLast?: boolean;
}

/** A client that does not read: it is not read from either. */
const MOST_UNREAD_BYTES = 256 * 1024;

/**
 * @param mostBytes - of one message
 * @param next - the first message of `bytes`; undefined while it is not whole. What it throws ends the connection
 */
export function serveMessages(
  socket: Socket,
  mostBytes: number,
  next: (bytes: Buffer) => Message | undefined,
): void {
  let pending: Buffer = Buffer.alloc(0);
  const handle = (): void => {
    while (socket.writableLength <= MOST_UNREAD_BYTES) {
      const message = pending.length === 0 ? undefined : next(pending);
      if (!message) {
        if (pending.length > mostBytes) throw new ProtocolError("a message is too long");
        return;
      }
      pending = pending.subarray(message.bytes);
      if (message.answer !== undefined && message.answer.length > 0) socket.write(message.answer);
      if (message.isLast) {
        pending = Buffer.alloc(0);
        socket.end();
        return;
      }
    }
    socket.pause();
  };
  const guarded = (): void => {
    try {
      handle();
    } catch {
      socket.destroy();
    }
  };
  socket.on("data", (chunk: Buffer) => {
    if (socket.writableEnded) return;
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    guarded();
  });
  socket.on("drain", () => {
    if (socket.writableEnded) return;
    guarded();
    if (socket.writableLength <= MOST_UNREAD_BYTES) socket.resume();
  });
}
