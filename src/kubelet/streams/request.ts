/** @module A request as the API server hands it on: `/exec/NAMESPACE/POD?container=C&command=…`. */
import { Refusal } from "./status.ts";

export const VERBS = ["exec", "attach", "portforward", "log"] as const;
export type Verb = (typeof VERBS)[number];

export interface StreamRequest {
  readonly verb: Verb;
  readonly namespace: string;
  readonly pod: string;
  readonly query: URLSearchParams;
}

/** @throws Refusal 404 when it is none of ours */
export function parseStreamRequest(text: string): StreamRequest {
  const url = new URL(text, "http://kubelet");
  const [verb, namespace, pod, ...rest] = url.pathname.slice(1).split("/").map(decode);
  const known = VERBS.find((one) => one === verb);
  if (!known || !namespace || !pod || rest.length > 0) throw new Refusal(404, "404 page not found");
  return { verb: known, namespace, pod, query: url.searchParams };
}

/** @returns undefined for what is no percent-encoding, which names nothing either */
function decode(word: string): string | undefined {
  try {
    return decodeURIComponent(word);
  } catch {
    return undefined;
  }
}

export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "true" || value === "1";
}

export interface CommandRequest {
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** @throws Refusal 400 */
export function parseCommand({ verb, query }: StreamRequest): CommandRequest {
  const wanted: CommandRequest = {
    container: query.get("container") ?? "",
    command: query.getAll("command"),
    stdin: flag(query, "stdin"),
    stdout: flag(query, "stdout"),
    stderr: flag(query, "stderr"),
    tty: flag(query, "tty"),
  };
  if (verb === "exec" && wanted.command.length === 0)
    throw new Refusal(400, "you must specify at least one command for the container");
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr)
    throw new Refusal(400, "you must specify at least 1 of stdin, stdout, stderr");
  // A terminal has one output; who asks for both is given that.
  return wanted.tty && wanted.stdout ? { ...wanted, stderr: false } : wanted;
}

/** Two channels each, whose numbers are a byte. */
const MAX_PORTS = 127;

/** The ports of a port-forward through channels. @throws Refusal 400 */
export function parsePorts(query: URLSearchParams): readonly number[] {
  const words = query.getAll("ports").flatMap((value) => value.split(","));
  if (words.length === 0) throw new Refusal(400, 'query parameter "ports" is required');
  if (words.length > MAX_PORTS) throw new Refusal(400, `${words.length} ports: at most ${MAX_PORTS}`);
  return words.map((word) => {
    const port = parsePort(word);
    if (port === undefined) throw new Refusal(400, `unable to parse ${JSON.stringify(word)} as a port`);
    return port;
  });
}

export function parsePort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port > 0 && port < 65_536 ? port : undefined;
}
