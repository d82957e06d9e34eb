/** @module Pages of stand-in web servers: a template, or a file of the container. */

import path from "node:path";
import { ownValue } from "../../../base/own.ts";
import type { Served } from "./context.ts";

const DATABASE_HOSTS =
  /^(?:MYSQL|MARIADB|DB|DATABASE|WORDPRESS_DB|POSTGRES|PG|MONGO|MONGODB|REDIS)_?(?:HOST|HOSTNAME|SERVER|URL)?$/;
const DATABASE_PORTS: readonly (readonly [RegExp, number])[] = [
  [/postgres|pg/i, 5432],
  [/mongo/i, 27_017],
  [/redis/i, 6379],
];
const DIAL_MS = 3_000;

/** Whether a variable may say where the pod's database is. */
export function isDatabaseVariable(name: string): boolean {
  return DATABASE_HOSTS.test(name);
}

/** `mysql`, `mysql:3306`, `mongodb://db/x`: what the pod's environment says of its database. */
export function databaseOf(
  env: ReadonlyMap<string, string>,
): { readonly host: string; readonly port: number } | undefined {
  for (const [name, value] of env) {
    if (!isDatabaseVariable(name)) continue;
    const found = /^(?:[a-z]+:\/\/)?(?:[^@/]*@)?([A-Za-z0-9.-]+)(?::(\d+))?(?:\/.*)?$/.exec(value);
    if (!found?.[1] || /^\d+$/.test(found[1])) continue;
    const usual = DATABASE_PORTS.find(([pattern]) => pattern.test(name) || pattern.test(value))?.[1] ?? 3306;
    return { host: found[1], port: Number(found[2] ?? usual) };
  }
  return undefined;
}

/** One line on whether the pod reaches its database now; empty where it has none. */
async function databaseLine(served: Served): Promise<string> {
  const database = databaseOf(served.context.env);
  if (!database) return "";
  const name = `${database.host}:${database.port}`;
  try {
    const socket = await served.context.dial(database.host, database.port, DIAL_MS);
    socket.destroy();
    return `<p>Connected to the database at ${name}.</p>\n`;
  } catch (error) {
    return `<p>Cannot reach the database at ${name}: ${error instanceof Error ? error.message : "failed"}.</p>\n`;
  }
}

export interface PageRequest {
  readonly method: string;
  readonly path: string;
  readonly client: string;
}

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer | string;
}

async function fill(template: string, request: PageRequest, served: Served): Promise<string> {
  const { context, port } = served;
  const values: Record<string, string> = {
    pod: context.pod,
    namespace: context.namespace,
    hostname: context.hostname,
    address: context.address,
    image: context.imageName,
    port: String(port.port),
    date: new Date().toISOString(),
    ...request,
  };
  const database = template.includes("{database}") ? await databaseLine(served) : "";
  return template.replace(/\{([a-z]+)\}/g, (whole, name: string) =>
    name === "database" ? database : (ownValue(values, name) ?? whole),
  );
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".php": "text/html; charset=UTF-8",
  ".json": "application/json",
  ".js": "application/javascript",
  ".css": "text/css",
  ".txt": "text/plain",
};

function typeOf(file: string, body: string): string {
  const known = TYPES[path.posix.extname(file)];
  if (known !== undefined) return known;
  if (body.startsWith("<")) return "text/html";
  return body.startsWith("{") || body.startsWith("[") ? "application/json" : "text/plain; charset=utf-8";
}

const UNKNOWN_PAGE =
  "Hello from pod {namespace}/{pod} ({address}), port {port}, image {image}\n{method} {path}\n";

/** Files of the container come first: a mounted or edited page is what is served. */
export async function pageFor(request: PageRequest, served: Served): Promise<Page> {
  const { image } = served.context;
  const plain = path.posix.normalize(`/${decode(request.path.split("?")[0] ?? "/")}`);
  if (served.port.body !== undefined) {
    const body = await fill(served.port.body, request, served);
    return { status: 200, type: typeOf("", body), body };
  }
  const names = plain.endsWith("/") ? [`${plain}index.html`, `${plain}index.php`] : [plain];
  for (const name of names) {
    const body =
      image.documentRoot === undefined ? undefined : await served.context.readFile(image.documentRoot + name);
    const template = ownValue(image.pages, name);
    // What we put there ourselves is a template still.
    if (body !== undefined && body.toString() !== template)
      return { status: 200, type: typeOf(name, ""), body };
    if (template === undefined) continue;
    const filled = await fill(template, request, served);
    return { status: 200, type: typeOf(name, filled), body: filled };
  }
  const all = image.pages["*"] ?? (Object.keys(image.pages).length === 0 ? UNKNOWN_PAGE : undefined);
  if (all !== undefined) {
    const body = await fill(all, request, served);
    return { status: 200, type: typeOf("", body), body };
  }
  return notFound(image.server);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function notFound(server: string): Page {
  const sign = server === "" ? "" : `<hr><center>${server}</center>\r\n`;
  const body = `<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n${sign}</body>\r\n</html>\r\n`;
  return { status: 404, type: "text/html", body };
}
