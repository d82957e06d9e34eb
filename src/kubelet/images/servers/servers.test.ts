import { expect, test } from "vitest";
import { NO_IMAGE } from "../image.ts";
import type { Served, ServerContext } from "./context.ts";
import { accessTime } from "./http.ts";
import { memcachedAnswer } from "./memcached.ts";
import { encodeBson, firstName, mongoAnswer } from "./mongo.ts";
import { mysqlGreeting, mysqlOk, mysqlRow } from "./mysql.ts";
import { databaseOf, pageFor } from "./page.ts";
import { postgresWelcome } from "./postgres.ts";
import { RedisStore, readCommand, redisAnswer } from "./redis.ts";

const context: ServerContext = {
  pod: "web-1",
  namespace: "shop",
  hostname: "web-1",
  address: "10.0.0.7",
  image: { ...NO_IMAGE, pattern: "x", kind: "unknown" },
  imageName: "me/x:2",
  tag: "6.0.5",
  env: new Map(),
  log: () => undefined,
  readFile: () => Promise.resolve(undefined),
  dial: () => Promise.reject(new Error("unused")),
  ask: () => Promise.reject(new Error("unused")),
  exit: () => undefined,
};
const served: Served = { context, port: { port: 8080, protocol: "TCP", answers: "any" } };

test("MySQL's greeting is a handshake of protocol 10", () => {
  const bytes = mysqlGreeting("8.4.3", 7, Buffer.from("abcdefghijklmnopqrst"));
  expect(bytes.readUIntLE(0, 3)).toBe(bytes.length - 4);
  expect(bytes[3]).toBe(0);
  expect(bytes[4]).toBe(10);
  expect(bytes.subarray(5, 11).toString()).toBe("8.4.3\0");
  expect(bytes.readUInt32LE(11)).toBe(7);
  expect(bytes.subarray(15, 24).toString()).toBe("abcdefgh\0");
  // Capabilities, character set, status, length of the salt with its zero, ten zeros.
  expect(bytes[31 - 2]).toBe(0x08);
  expect(bytes[31]).toBe(21);
  expect(bytes.subarray(42).toString()).toBe("ijklmnopqrst\0mysql_native_password\0");
});

test("MySQL's OK, and a result of one row", () => {
  expect(mysqlOk(2).toString("hex")).toBe("0700000200000002000000");
  const row = mysqlRow(1, "1", "1");
  const sequences: number[] = [];
  for (let at = 0; at < row.length; at += 4 + row.readUIntLE(at, 3)) sequences.push(row.readUInt8(at + 3));
  expect(sequences).toEqual([1, 2, 3, 4, 5]);
});

test.each([
  ["*2\r\n$3\r\nGET\r\n$1\r\nk\r\nrest", ["GET", "k"], 20],
  ["PING\r\nrest", ["PING"], 6],
  ["set  a b\n", ["set", "a", "b"], 9],
])("Redis reads %j", (text, words, length) => {
  expect(readCommand(Buffer.from(text))).toEqual({ words, length });
});

test("Redis waits for the rest of a command", () => {
  expect(readCommand(Buffer.from("*2\r\n$3\r\nGET\r\n$1\r\n"))).toBeUndefined();
});

test.each([
  ["PING", "+PONG\r\n"],
  ["ping hi", "$2\r\nhi\r\n"],
  ["ECHO yes", "$3\r\nyes\r\n"],
  ["GET nothing", "$-1\r\n"],
  ["SET k v", "+OK\r\n"],
  ["GET k", "$1\r\nv\r\n"],
  ["INCR n", ":1\r\n"],
  ["NOPE a", "-ERR unknown command 'NOPE', with args beginning with: 'a' \r\n"],
])("Redis answers %s", (command, answer) => {
  expect(redisAnswer(command.split(" "), store, context)).toBe(answer);
});
const store: RedisStore = new RedisStore();

function message(operation: number, body: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(16 + body.length, 0);
  header.writeInt32LE(42, 4);
  header.writeInt32LE(operation, 12);
  return Buffer.concat([header, body]);
}

test("MongoDB answers hello by OP_MSG, and isMaster by OP_QUERY as old drivers ask", () => {
  const asked = encodeBson({ hello: 1, $db: "admin" });
  expect(firstName(asked)).toBe("hello");
  const answer = mongoAnswer(message(2013, Buffer.concat([Buffer.alloc(5), asked])), served);
  expect(answer?.readInt32LE(0)).toBe(answer?.length);
  expect([answer?.readInt32LE(8), answer?.readInt32LE(12)]).toEqual([42, 2013]);
  expect(answer?.includes("isWritablePrimary")).toBe(true);

  const query = Buffer.concat([
    Buffer.alloc(4),
    Buffer.from("admin.$cmd\0"),
    Buffer.alloc(8),
    encodeBson({ isMaster: 1 }),
  ]);
  const old = mongoAnswer(message(2004, query), served);
  expect([old?.readInt32LE(8), old?.readInt32LE(12)]).toEqual([42, 1]);
  expect(old?.includes("ismaster")).toBe(true);
});

test("BSON is as bsonspec.org shows it", () => {
  expect(encodeBson({ hello: "world" }).toString("hex")).toBe("160000000268656c6c6f0006000000776f726c640000");
});

test("PostgreSQL welcomes without a password and is ready", () => {
  const bytes = postgresWelcome("17.2");
  expect(bytes.subarray(0, 9).toString("hex")).toBe("520000000800000000");
  expect(bytes.subarray(-6).toString("hex")).toBe("5a0000000549");
});

test("memcached tells its version", () => {
  expect(memcachedAnswer("version\r", "1.6")).toBe("VERSION 1.6\r\n");
});

test.each([
  [[["MYSQL_HOST", "mysql"]], { host: "mysql", port: 3306 }],
  [[["DB_HOST", "db:3307"]], { host: "db", port: 3307 }],
  [[["MONGO_URL", "mongodb://u:p@mongo/x"]], { host: "mongo", port: 27_017 }],
  [[["DB", "go-demo-2-db"]], { host: "go-demo-2-db", port: 3306 }],
  [[["KUBERNETES_SERVICE_HOST", "10.96.0.1"]], undefined],
] as const)("the database that %j tells of", (env, expected) => {
  expect(databaseOf(new Map(env))).toEqual(expected);
});

test("a page names the pod; a file of the container comes before it", async () => {
  const request = { method: "GET", path: "/index.php?x", client: "10.0.0.1" };
  expect(String((await pageFor(request, served)).body)).toBe(
    "Hello from pod shop/web-1 (10.0.0.7), port 8080, image me/x:2\nGET /index.php?x\n",
  );
  const image = { ...context.image, documentRoot: "/www", pages: { "/index.html": "ours" } };
  const withFile = {
    ...context,
    image,
    readFile: (file: string) =>
      Promise.resolve(file === "/www/index.html" ? Buffer.from("theirs") : undefined),
  };
  const page = await pageFor({ ...request, path: "/" }, { ...served, context: withFile });
  expect([page.status, String(page.body)]).toEqual([200, "theirs"]);
  const missing = await pageFor({ ...request, path: "/../etc/passwd" }, { ...served, context: withFile });
  expect(missing.status).toBe(404);
});

test("times in the access log are nginx's", () => {
  expect(accessTime(new Date("2026-11-21T08:00:00.123Z"))).toBe("21/Nov/2026:08:00:00 +0000");
});
