/** @module The end of an upgraded connection, from our side. */
import type { Duplex } from "node:stream";

/** A client reads what is on its way to it, and closes. One that does neither is not waited for. */
const CLOSE_TIMEOUT_MS = 60_000;

/** What the client still sends is read and dropped: that it has gone would not be noticed else. */
export function endConnection(client: Duplex, lastWords = ""): void {
  if (client.destroyed) return;
  const timer = setTimeout(() => client.destroy(), CLOSE_TIMEOUT_MS).unref();
  client.once("close", () => clearTimeout(timer));
  client.resume();
  client.end(lastWords);
}
