/** @module What a port answers, by its kind. */
import type { Socket } from "node:net";
import { unreachable } from "../../../base/errors.ts";
import { HOSTNAME } from "../agnhost-plan.ts";
import { serveHostname } from "./agnhost.ts";
import type { Served } from "./context.ts";
import { serveAny, serveHttp } from "./http.ts";
import { serveMemcached } from "./memcached.ts";
import { serveMongo } from "./mongo.ts";
import { serveMysql } from "./mysql.ts";
import { servePostgres } from "./postgres.ts";
import { serveRedis } from "./redis.ts";

export function serveTcp(socket: Socket, served: Served): void {
  const { answers, body } = served.port;
  switch (answers) {
    case "http":
      return serveHttp(socket, served);
    case "any":
      return serveAny(socket, served);
    case "echo":
      socket.pipe(socket);
      return;
    case "mysql":
      return serveMysql(socket, served);
    case "redis":
      return serveRedis(socket, served);
    case "mongo":
      return serveMongo(socket, served);
    case "postgres":
      return servePostgres(socket, served);
    case "memcached":
      return serveMemcached(socket, served);
    case "silent":
      if (body === HOSTNAME) serveHostname(socket, served);
      else socket.resume();
      return;
    default:
      return unreachable(answers);
  }
}
