/** @module Redis, as far as tutorials go: strings and counters in memory. @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */
import type { Socket } from "node:net";
import type { Served, ServerContext } from "./context.ts";

const MAX_PENDING = 1024 * 1024;

/** One command from the front of the bytes: an array of bulk strings, or a line of words. */
export function readCommand(
  bytes: Buffer,
): { readonly words: readonly string[]; readonly length: number } | undefined {
  const lineEnd = bytes.indexOf("\r\n");
  const newline = bytes.indexOf("\n");
  if (newline < 0) return undefined;
  if (bytes[0] !== 0x2a) {
    const line = bytes.subarray(0, newline).toString().trim();
    return { words: line === "" ? [] : line.split(/\s+/), length: newline + 1 };
  }
  const words: string[] = [];
  const count = Number(bytes.subarray(1, lineEnd).toString());
  let at = lineEnd + 2;
  for (let index = 0; index < count; index++) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const size = Number(bytes.subarray(at + 1, end).toString());
    if (bytes.length < end + 2 + size + 2) return undefined;
    words.push(bytes.subarray(end + 2, end + 2 + size).toString());
    at = end + 2 + size + 2;
  }
  return { words, length: at };
}

function bulk(text: string | undefined): string {
  return text === undefined ? "$-1\r\n" : `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function many(texts: readonly (string | undefined)[]): string {
  return `*${texts.length}\r\n${texts.map(bulk).join("")}`;
}

function wrongCount(command: string): string {
  return `-ERR wrong number of arguments for '${command}' command\r\n`;
}

function count(store: Map<string, string>, key: string, by: number): string {
  const value = Number(store.get(key) ?? 0) + by;
  if (!Number.isInteger(value)) return "-ERR value is not an integer or out of range\r\n";
  store.set(key, String(value));
  return `:${value}\r\n`;
}

function information(context: ServerContext, keys: number): string {
  const version = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0] ?? "7.4.1";
  return `# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\ntcp_port:6379\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\ndb0:keys=${keys},expires=0,avg_ttl=0\r\n`;
}

/** The answer to one command. */
export function redisAnswer(
  words: readonly string[],
  store: Map<string, string>,
  context: ServerContext,
): string {
  const [name = "", key, value] = words;
  const command = name.toLowerCase();
  switch (command) {
    case "ping":
      return key === undefined ? "+PONG\r\n" : bulk(key);
    case "echo":
      return key === undefined ? wrongCount(command) : bulk(key);
    case "auth":
    case "select":
    case "client":
    case "flushall":
    case "flushdb":
      if (command.startsWith("flush")) store.clear();
      return "+OK\r\n";
    case "hello":
      return many([
        "server",
        "redis",
        "version",
        "7.4.1",
        "proto",
        "2",
        "mode",
        "standalone",
        "role",
        "master",
      ]);
    case "info":
      return bulk(information(context, store.size));
    case "command":
    case "config":
      return "*0\r\n";
    case "set":
      if (key === undefined || value === undefined) return wrongCount(command);
      store.set(key, value);
      return "+OK\r\n";
    case "get":
      return key === undefined ? wrongCount(command) : bulk(store.get(key));
    case "mget":
      return many(words.slice(1).map((one) => store.get(one)));
    case "exists":
      return `:${words.slice(1).filter((one) => store.has(one)).length}\r\n`;
    case "del":
      return `:${words.slice(1).filter((one) => store.delete(one)).length}\r\n`;
    case "keys":
      return many([...store.keys()]);
    case "dbsize":
      return `:${store.size}\r\n`;
    case "incr":
    case "decr":
      return key === undefined ? wrongCount(command) : count(store, key, command === "incr" ? 1 : -1);
    case "incrby":
      return key === undefined ? wrongCount(command) : count(store, key, Number(value));
    case "quit":
      return "+OK\r\n";
    default: {
      const given = words
        .slice(1)
        .map((word) => `'${word}' `)
        .join("");
      return `-ERR unknown command '${name}', with args beginning with: ${given}\r\n`;
    }
  }
}

/** What containers remember, as long as they run. */
const stores: WeakMap<ServerContext, Map<string, string>> = new WeakMap();

export function serveRedis(socket: Socket, { context }: Served): void {
  const store = stores.get(context) ?? new Map<string, string>();
  stores.set(context, store);
  let pending: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (let read = readCommand(pending); read; read = readCommand(pending)) {
      pending = pending.subarray(read.length);
      if (read.words.length === 0) continue;
      socket.write(redisAnswer(read.words, store, context));
      if (read.words[0]?.toLowerCase() === "quit") {
        socket.end();
        return;
      }
    }
    if (pending.length > MAX_PENDING) socket.destroy();
  });
}
