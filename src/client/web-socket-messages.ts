/** @module Messages of WebSockets by the `ws` package, read as bytes, and written without growing. */
import type { WebSocket } from "ws";

/** So much may wait in a connection's buffer before the writer does. */
export const PENDING_BYTES: number = 256 * 1024;

export function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}

/**
 * Calls back once, when there is room for more; also when the connection is closed, and what is sent goes nowhere.
 *
 * Of a socket that fails, Node calls back all writes that wait; one of them that writes again from there makes it call
 * them all a second time. So the connection is ended first: then nothing is written to it any more.
 */
export function sendMessage(webSocket: WebSocket, message: Buffer, done: () => void): void {
  if (webSocket.readyState !== webSocket.OPEN) {
    done();
    return;
  }
  if (webSocket.bufferedAmount < PENDING_BYTES) {
    webSocket.send(message);
    done();
    return;
  }
  let isDone = false;
  webSocket.send(message, (error) => {
    if (isDone) return;
    isDone = true;
    if (error) webSocket.terminate();
    done();
  });
}
