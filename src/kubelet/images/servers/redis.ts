/** @module Redis, as far as tutorials go: strings and counters in memory. @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */
import type { Socket } from "node:net";
import type { Served, ServerContext } from "./context.ts";
import { ProtocolError, serveMessages } from "./messages.ts";

const MOST_MESSAGE_BYTES = 256 * 1024;
/** A command has a few words; real servers allow a million. */
const MOST_WORDS = 1024;
/** What a container remembers, and what one answer may be. */
const MOST_STORED_BYTES = 4 * 1024 * 1024;
const OUT_OF_MEMORY = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/** The number in `*3\r\n` or `$5\r\n`. @throws ProtocolError where it is none, or not from 0 to `most` */
function readCount(bytes: Buffer, at: number, end: number, most: number): number {
  const text = bytes.subarray(at, end).toString("latin1");
  const number = Number(text);
  if (!/^\d{1,9}$/.test(text) || number > most)
    throw new ProtocolError(`invalid length ${text.slice(0, 20)}`);
  return number;
}

/**
 * One command from the front of the bytes: an array of bulk strings, or a line of words.
 * @returns undefined while it is not whole
 * @throws ProtocolError
 */
export function readCommand(
  bytes: Buffer,
): { readonly words: readonly string[]; readonly length: number } | undefined {
  const newline = bytes.indexOf("\n");
  if (newline < 0) return undefined;
  if (bytes[0] !== 0x2a) {
    const line = bytes.subarray(0, newline).toString().trim();
    const words = line === "" ? [] : line.split(/\s+/, MOST_WORDS);
    return { words, length: newline + 1 };
  }
  if (bytes[newline - 1] !== 0x0d) throw new ProtocolError("a line does not end as it should");
  const words: string[] = [];
  const count = readCount(bytes, 1, newline - 1, MOST_WORDS);
  let at = newline + 1;
  for (let index = 0; index < count; index++) {
    if (bytes.length > at && bytes[at] !== 0x24) throw new ProtocolError("expected a bulk string");
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const size = readCount(bytes, at + 1, end, MOST_MESSAGE_BYTES);
    if (bytes.length < end + 2 + size + 2) return undefined;
    words.push(bytes.subarray(end + 2, end + 2 + size).toString());
    at = end + 2 + size + 2;
  }
  return { words, length: at };
}

/** Strings by their keys, of one container. */
export class RedisStore {
  readonly #values = new Map<string, string>();
  #bytes = 0;

  get size(): number {
    return this.#values.size;
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  /** @returns false when there is no room for it */
  set(key: string, value: string): boolean {
    const before = this.#values.get(key);
    const grown = value.length - (before === undefined ? -key.length - 64 : before.length);
    if (this.#bytes + grown > MOST_STORED_BYTES) return false;
    this.#bytes += grown;
    this.#values.set(key, value);
    return true;
  }

  delete(key: string): boolean {
    const before = this.#values.get(key);
    if (before === undefined) return false;
    this.#bytes -= before.length + key.length + 64;
    return this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
    this.#bytes = 0;
  }
}

function bulk(text: string | undefined): string {
  return text === undefined ? "$-1\r\n" : `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function many(texts: readonly (string | undefined)[]): string {
  let bytes = 0;
  for (const text of texts) bytes += text?.length ?? 0;
  if (bytes > MOST_STORED_BYTES) return OUT_OF_MEMORY;
  return `*${texts.length}\r\n${texts.map(bulk).join("")}`;
}

function wrongCount(command: string): string {
  return `-ERR wrong number of arguments for '${command}' command\r\n`;
}

function count(store: RedisStore, key: string, by: number): string {
  const value = Number(store.get(key) ?? 0) + by;
  if (!Number.isInteger(value)) return "-ERR value is not an integer or out of range\r\n";
  return store.set(key, String(value)) ? `:${value}\r\n` : OUT_OF_MEMORY;
}

function information(context: ServerContext, keys: number): string {
  const version = /^\d+(\.\d+)*/.exec(context.tag ?? "")?.[0] ?? "7.4.1";
  return `# Server\r\nredis_version:${version}\r\nredis_mode:standalone\r\ntcp_port:6379\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Keyspace\r\ndb0:keys=${keys},expires=0,avg_ttl=0\r\n`;
}

/** The answer to one command. */
export function redisAnswer(words: readonly string[], store: RedisStore, context: ServerContext): string {
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
      return store.set(key, value) ? "+OK\r\n" : OUT_OF_MEMORY;
    case "get":
      return key === undefined ? wrongCount(command) : bulk(store.get(key));
    case "mget":
      return many(words.slice(1).map((one) => store.get(one)));
    case "exists":
      return `:${words.slice(1).filter((one) => store.has(one)).length}\r\n`;
    case "del":
      return `:${words.slice(1).filter((one) => store.delete(one)).length}\r\n`;
    case "keys":
      return many(store.keys());
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
const stores: WeakMap<ServerContext, RedisStore> = new WeakMap();

export function serveRedis(socket: Socket, { context }: Served): void {
  const store = stores.get(context) ?? new RedisStore();
  stores.set(context, store);
  serveMessages(socket, MOST_MESSAGE_BYTES, (bytes) => {
    const command = readCommand(bytes);
    if (!command) return undefined;
    const { words, length } = command;
    if (words.length === 0) return { bytes: length };
    return {
      bytes: length,
      answer: redisAnswer(words, store, context),
      isLast: words[0]?.toLowerCase() === "quit",
    };
  });
}
