/** @module What a client wants to see of a log. */
import { flag } from "./request.ts";
import { Refusal } from "./status.ts";

export interface LogQuery {
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  /** Lines before it are left out; as text in the form of the log's own times, which order as they do. */
  readonly since: string | undefined;
  readonly limitBytes: number | undefined;
  readonly stream: "stdout" | "stderr" | undefined;
}

/** @throws Refusal 400 */
export function parseLogQuery(query: URLSearchParams, now: Date): LogQuery {
  const seconds = count(query, "sinceSeconds", 1);
  const time = query.get("sinceTime");
  if (seconds !== undefined && time !== null)
    throw new Refusal(400, "at most one of `sinceTime` or `sinceSeconds` may be specified");
  const since =
    seconds === undefined
      ? time && logTimeOf(time)
      : logTimeOf(new Date(now.getTime() - seconds * 1000).toISOString());
  const stream = query.get("stream")?.toLowerCase();
  return {
    container: query.get("container") ?? "",
    follow: flag(query, "follow"),
    previous: flag(query, "previous"),
    timestamps: flag(query, "timestamps"),
    tailLines: count(query, "tailLines", 0),
    since: since ?? undefined,
    limitBytes: count(query, "limitBytes", 1),
    stream: stream === "stdout" || stream === "stderr" ? stream : undefined,
  };
}

function count(query: URLSearchParams, name: string, least: number): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new Refusal(400, `${name}: ${JSON.stringify(text)} is not a number`);
  if (value < least)
    throw new Refusal(400, `${name}: Invalid value: ${value}: must be greater than or equal to ${least}`);
  return value;
}

/** A time of any zone and precision as the log has it: UTC, nine digits. @throws Refusal 400 */
export function logTimeOf(text: string): string {
  const parts = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)$/.exec(text);
  const milliseconds = parts ? Date.parse(`${parts[1]}${parts[3]}`) : Number.NaN;
  if (!parts || Number.isNaN(milliseconds))
    throw new Refusal(400, `sinceTime: ${JSON.stringify(text)} is not a time as RFC 3339 has it`);
  const fraction = (parts[2] ?? "").padEnd(9, "0").slice(0, 9);
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.${fraction}Z`;
}
