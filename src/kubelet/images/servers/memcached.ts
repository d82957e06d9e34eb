/** @module memcached's text protocol, as far as `version`, `stats` and misses go. */
import type { Socket } from "node:net";
import type { Served } from "./context.ts";
import { serveMessages } from "./messages.ts";

const MOST_LINE_BYTES = 4096;

export function memcachedAnswer(line: string, tag: string | undefined): string | undefined {
  const [command = ""] = line.trim().split(" ");
  const version = /^\d+(\.\d+)*/.exec(tag ?? "")?.[0] ?? "1.6.32";
  switch (command) {
    case "version":
      return `VERSION ${version}\r\n`;
    case "stats":
      return `STAT pid 1\r\nSTAT version ${version}\r\nEND\r\n`;
    case "get":
    case "gets":
      return "END\r\n";
    case "quit":
    case "":
      return undefined;
    default:
      return "ERROR\r\n";
  }
}

export function serveMemcached(socket: Socket, { context }: Served): void {
  serveMessages(socket, MOST_LINE_BYTES, (bytes) => {
    const end = bytes.indexOf("\n");
    if (end < 0) return undefined;
    const line = bytes.subarray(0, end).toString("latin1");
    return {
      bytes: end + 1,
      answer: memcachedAnswer(line, context.tag),
      isLast: line.startsWith("quit"),
    };
  });
}
