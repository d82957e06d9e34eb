/** @module What a port answers, by its kind. */
import type { Socket } from "node:net";
import { HOSTNAME } from "../agnhost-plan.ts";
import type { Answer } from "../image.ts";
import { serveHostname } from "./agnhost.ts";
import type { Served } from "./context.ts";
import { serveAny, serveHttp } from "./http.ts";
import { serveMemcached } from "./memcached.ts";
import { serveMongo } from "./mongo.ts";
import { serveMysql } from "./mysql.ts";
import { servePostgres } from "./postgres.ts";
import { serveRedis } from "./redis.ts";

function serveSilently(socket: Socket, served: Served): void {
  if (served.port.body === HOSTNAME) serveHostname(socket, served);
  else socket.resume();
}

const SERVERS: Readonly<Record<Answer, (socket: Socket, served: Served) => void>> = {
  http: serveHttp,
  any: serveAny,
  echo: (socket) => void socket.pipe(socket),
  mysql: serveMysql,
  redis: serveRedis,
  mongo: serveMongo,
  postgres: servePostgres,
  memcached: serveMemcached,
  silent: serveSilently,
};

export function serveTcp(socket: Socket, served: Served): void {
  SERVERS[served.port.answers](socket, served);
}
