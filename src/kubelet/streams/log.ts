/** @module Logs over HTTP. */

import { existsSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { ownValue } from "../../base/own.ts";
import { drained } from "../../client/drained.ts";
import type { ContainerView } from "../pod-host.ts";
import { parseLogQuery } from "./log-query.ts";
import { type LogSource, readLog } from "./log-reader.ts";
import type { StreamRequest } from "./request.ts";
import { Refusal } from "./status.ts";

/** What is said of a container whose image is the trouble. */
const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: "trying and failing to pull image",
};

/** @throws Refusal 400 when there is no such log, 404 when there is no such container */
export async function serveLog(
  request: StreamRequest,
  view: ContainerView | undefined,
  response: ServerResponse,
): Promise<void> {
  const { pod, query } = request;
  const wanted = parseLogQuery(query, new Date());
  const place = `container ${JSON.stringify(wanted.container)} in pod ${JSON.stringify(pod)}`;
  if (!view) throw new Refusal(404, `${place} not found`);
  const source = wanted.previous ? previousOf(view, place) : currentOf(view, place);
  response.writeHead(200, { "content-type": "text/plain" });
  response.flushHeaders();
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  if (response.destroyed) return;
  for await (const text of readLog(source, wanted, gone.signal))
    if (!response.write(text) && !gone.signal.aborted) await drained(response);
  response.end();
}

function previousOf({ previousLogPath }: ContainerView, place: string): LogSource {
  if (previousLogPath === undefined || !existsSync(previousLogPath))
    throw new Refusal(400, `previous terminated ${place} not found`);
  return { file: previousLogPath, ended: undefined };
}

function currentOf({ running, waiting, logPath }: ContainerView, place: string): LogSource {
  if (!running && waiting !== undefined && !existsSync(logPath))
    throw new Refusal(400, `${place} is waiting to start: ${ownValue(WAITING, waiting) ?? waiting}`);
  return { file: logPath, ended: running?.exit };
}
