/** @module memcached's text protocol, as far as `version`, `stats` and misses go. */
import type { Socket } from "node:net";
import type { Served } from "./context.ts";

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
  let pending = "";
  socket.on("data", (chunk: Buffer) => {
    const lines = (pending + chunk.toString("latin1")).split("\n");
    pending = (lines.pop() ?? "").slice(0, 4096);
    for (const line of lines) {
      const answer = memcachedAnswer(line, context.tag);
      if (answer !== undefined) socket.write(answer);
      else if (line.startsWith("quit")) socket.end();
    }
  });
}
