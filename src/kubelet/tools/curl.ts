/** @module curl, as far as tutorials on networks use it; its messages and exit codes. */

import { createWriteStream, readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Writable } from "node:stream";
import { ownValue } from "../../base/own.ts";
import type { Options } from "./options.ts";
import { durationMs, parseOptions, UsageError } from "./options.ts";
import { complain, errorWords, print, resolveName } from "./program.ts";
import { portOf, rawHeaders, send, TimedOut } from "./request.ts";

const RULES = {
  flags: "sSIikLfvgNG046",
  values: "mowXdHAue",
  long: {
    silent: "s",
    "show-error": "S",
    head: "I",
    include: "i",
    insecure: "k",
    location: "L",
    fail: "f",
    "fail-with-body": "f",
    verbose: "v",
    globoff: "g",
    "no-buffer": "N",
    get: "G",
    "http1.0": "0",
    "http1.1": "http1.1",
    ipv4: "4",
    ipv6: "6",
    "max-time": "m",
    output: "o",
    "write-out": "w",
    request: "X",
    data: "d",
    "data-raw": "d",
    "data-ascii": "d",
    header: "H",
    "user-agent": "A",
    user: "u",
    referer: "e",
    "no-progress-meter": "s",
    compressed: "compressed",
  },
  longValues: ["cacert", "connect-timeout", "retry", "retry-delay", "noproxy", "resolve", "max-redirs"],
};

const VERSION = "8.9.1";
const MAX_REDIRECTS = 50;

class Failed extends Error {
  readonly code: number;
  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface Outcome {
  readonly status: number;
  readonly address: string;
  readonly bytes: number;
  readonly url: string;
  readonly type: string;
}

interface Job {
  readonly options: Options;
  readonly started: number;
  readonly connectTimeoutMs: number | undefined;
  readonly sink: Writable;
}

function elapsed(job: Job): number {
  return Math.max(1, Math.round(performance.now() - job.started));
}

function headersOf(options: Options): Record<string, string> {
  const headers: Record<string, string> = {
    "User-Agent": options.get("A") ?? `curl/${VERSION}`,
    Accept: "*/*",
  };
  const user = options.get("u");
  if (user !== undefined) headers["Authorization"] = `Basic ${Buffer.from(user).toString("base64")}`;
  if (options.has("e")) headers["Referer"] = options.get("e") ?? "";
  if (options.has("d") && !options.has("G")) headers["Content-Type"] = "application/x-www-form-urlencoded";
  for (const header of options.all("H")) {
    const colon = header.indexOf(":");
    const name = header.slice(0, colon < 0 ? undefined : colon).trim();
    for (const known of Object.keys(headers))
      if (known.toLowerCase() === name.toLowerCase()) delete headers[known];
    if (colon > 0 && header.slice(colon + 1).trim() !== "") headers[name] = header.slice(colon + 1).trim();
  }
  return headers;
}

function dataOf(options: Options): string | undefined {
  if (!options.has("d")) return undefined;
  const parts = options
    .all("d")
    .map((one) => (one.startsWith("@") ? readFileSync(one.slice(1), "utf8") : one));
  return parts.join("&");
}

/** Time left of -m, from now; undefined without it. */
function timeLeft(job: Job): number | undefined {
  const most = job.options.get("m");
  if (most === undefined) return undefined;
  return Math.max(1, (durationMs(most) ?? 0) - (performance.now() - job.started));
}

function timedOut(error: TimedOut, url: URL, job: Job): Failed {
  const ms = elapsed(job);
  if (error.phase === "transfer")
    return new Failed(28, `Operation timed out after ${ms} milliseconds with 0 bytes received`);
  return job.options.has("connect-timeout")
    ? new Failed(
        28,
        `Failed to connect to ${url.hostname} port ${portOf(url)} after ${ms} ms: Timeout was reached`,
      )
    : new Failed(28, `Connection timed out after ${ms} milliseconds`);
}

async function resolved(url: URL, options: Options): Promise<string> {
  const family = options.has("6") ? 6 : options.has("4") ? 4 : 0;
  const address = await resolveName(url.hostname, family);
  if (address === undefined) throw new Failed(6, `Could not resolve host: ${url.hostname}`);
  return address;
}

async function one(
  url: URL,
  job: Job,
): Promise<{ readonly response: IncomingMessage; readonly address: string }> {
  const { options } = job;
  const address = await resolved(url, options);
  const body = options.has("G") ? undefined : dataOf(options);
  const method = options.get("X") ?? (options.has("I") ? "HEAD" : body === undefined ? "GET" : "POST");
  const headers = headersOf(options);
  if (options.has("v")) complain(`*   Trying ${address}:${portOf(url)}...\n`);
  const left = timeLeft(job);
  const signers = authority(options);
  try {
    const response = await send({
      url,
      address,
      method,
      headers:
        body === undefined ? headers : { ...headers, "Content-Length": String(Buffer.byteLength(body)) },
      body,
      connectTimeoutMs:
        left === undefined ? job.connectTimeoutMs : Math.min(left, job.connectTimeoutMs ?? left),
      idleTimeoutMs: left,
      insecure: options.has("k"),
      authority: signers,
    });
    if (options.has("v")) tell(url, address, { method, headers }, response);
    return { response, address };
  } catch (error) {
    if (error instanceof TimedOut) throw timedOut(error, url, job);
    throw failure(error, url, job);
  }
}

function certificateFault(file: string, cause: unknown): Failed {
  return new Failed(77, `error setting certificate file: ${file}`, { cause });
}

/** @throws Failed as curl does when the file of --cacert cannot be read */
function authority(options: Options): string | undefined {
  const file = options.get("cacert");
  if (file === undefined || options.has("k")) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw certificateFault(file, error);
  }
}

function failure(error: unknown, url: URL, job: Job): Failed {
  const words = errorWords(error);
  if (/reset|hang up/i.test(words)) {
    return /hang up/i.test(words)
      ? new Failed(52, "Empty reply from server")
      : new Failed(56, "Recv failure: Connection reset by peer");
  }
  if (/certificate|self-signed|SSL|TLS/i.test(words))
    return new Failed(60, `SSL certificate problem: ${words}`);
  if (/^Parse Error/.test(words)) return new Failed(1, "Received HTTP/0.9 when not allowed");
  return new Failed(
    7,
    `Failed to connect to ${url.hostname} port ${portOf(url)} after ${elapsed(job)} ms: Couldn't connect to server`,
  );
}

function tell(
  url: URL,
  address: string,
  sent: { readonly method: string; readonly headers: Readonly<Record<string, string>> },
  response: IncomingMessage,
): void {
  complain(`* Connected to ${url.hostname} (${address}) port ${portOf(url)}\n`);
  const lines = [`${sent.method} ${url.pathname}${url.search} HTTP/1.1`, `Host: ${url.host}`];
  for (const [name, value] of Object.entries(sent.headers)) lines.push(`${name}: ${value}`);
  complain(`${lines.map((line) => `> ${line}\n`).join("")}> \n`);
  complain(
    `${rawHeaders(response)
      .map((line) => `< ${line}\n`)
      .join("")}< \n`,
  );
}

async function receive(response: IncomingMessage, job: Job): Promise<number> {
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    job.sink.write(chunk);
  }
  return bytes;
}

async function transfer(first: URL, job: Job): Promise<Outcome> {
  const { options } = job;
  let url = first;
  for (let count = 0; ; count++) {
    const { response, address } = await one(url, job);
    const status = response.statusCode ?? 0;
    if (options.has("I") || options.has("i")) job.sink.write(`${rawHeaders(response).join("\r\n")}\r\n\r\n`);
    const { location } = response.headers;
    if (options.has("L") && status >= 300 && status < 400 && location !== undefined) {
      response.resume();
      if (count >= MAX_REDIRECTS) throw new Failed(47, `Maximum (${MAX_REDIRECTS}) redirects followed`);
      url = new URL(location, url);
      continue;
    }
    if (options.has("f") && status >= 400)
      throw new Failed(22, `The requested URL returned error: ${status}`);
    try {
      const bytes = await receive(response, job);
      return { status, address, bytes, url: url.href, type: response.headers["content-type"] ?? "" };
    } catch (error) {
      if (error instanceof TimedOut) throw timedOut(error, url, job);
      throw failure(error, url, job);
    }
  }
}

/** `curl telnet://db:3306`: a connection, and what comes over it. */
async function telnet(url: URL, job: Job): Promise<Outcome> {
  const address = await resolved(url, job.options);
  const port = Number(url.port || 23);
  const left = timeLeft(job);
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, address);
    const wait = Math.min(left ?? Number.POSITIVE_INFINITY, job.connectTimeoutMs ?? Number.POSITIVE_INFINITY);
    const timer = Number.isFinite(wait)
      ? setTimeout(() => socket.destroy(new TimedOut("connect")), wait)
      : undefined;
    socket.once("connect", () => {
      clearTimeout(timer);
      if (job.options.has("v")) complain(`* Connected to ${url.hostname} (${address}) port ${port}\n`);
      if (left !== undefined) setTimeout(() => socket.destroy(new TimedOut("transfer")), left).unref();
      process.stdin.pipe(socket);
      socket.pipe(process.stdout, { end: false });
    });
    socket.once("error", (error) => {
      reject(error instanceof TimedOut ? timedOut(error, url, job) : failure(error, url, job));
    });
    socket.once("close", () => resolve());
  });
  return { status: 0, address, bytes: 0, url: url.href, type: "" };
}

/** `%{http_code}` and its like, `\n`. */
export function writeOut(format: string, outcome: Partial<Outcome>, seconds: number): string {
  const values: Record<string, string> = {
    http_code: String(outcome.status ?? 0).padStart(3, "0"),
    response_code: String(outcome.status ?? 0).padStart(3, "0"),
    size_download: String(outcome.bytes ?? 0),
    remote_ip: outcome.address ?? "",
    url_effective: outcome.url ?? "",
    content_type: outcome.type ?? "",
    time_total: seconds.toFixed(6),
    time_connect: "0.000000",
  };
  const text = format.replace(/%\{([a-z_]+)\}/g, (_whole, name: string) => ownValue(values, name) ?? "");
  return text.replaceAll("\\n", "\n").replaceAll("\\t", "\t").replaceAll("\\r", "\r").replaceAll("%%", "%");
}

function parseUrl(text: string, options: Options): URL {
  const whole = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(whole)) throw new Failed(3, "URL rejected: Malformed input to a URL function");
  const url = new URL(whole);
  if (!["http:", "https:", "telnet:"].includes(url.protocol))
    throw new Failed(1, `Protocol "${url.protocol.replace(":", "")}" not supported`);
  if (options.has("G")) url.search = dataOf(options) ?? "";
  return url;
}

async function get(text: string, options: Options): Promise<number> {
  const file = options.get("o");
  const sink: Writable = file === undefined || file === "-" ? process.stdout : createWriteStream(file);
  const connectTimeout = options.get("connect-timeout");
  const job: Job = {
    options,
    started: performance.now(),
    sink,
    connectTimeoutMs: connectTimeout === undefined ? undefined : durationMs(connectTimeout),
  };
  let outcome: Outcome | undefined;
  let code = 0;
  try {
    const url = parseUrl(text, options);
    outcome = url.protocol === "telnet:" ? await telnet(url, job) : await transfer(url, job);
  } catch (error) {
    code = error instanceof Failed ? error.code : 2;
    if (!options.has("s") || options.has("S")) complain(`curl: (${code}) ${errorWords(error)}\n`);
  }
  if (sink !== process.stdout) await new Promise<void>((resolve) => sink.end(resolve));
  const format = options.get("w");
  if (format !== undefined) print(writeOut(format, outcome ?? {}, (performance.now() - job.started) / 1000));
  return code;
}

export async function curl(words: readonly string[]): Promise<number> {
  if (words.includes("--version") || words.includes("-V")) {
    print(`curl ${VERSION} (tortie)\nProtocols: http https telnet\n`);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(words, RULES);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    complain(`curl: option ${error.message}: is unknown\ncurl: try 'curl --help' for more information\n`);
    return 2;
  }
  if (options.rest.length === 0) {
    complain("curl: (2) no URL specified\ncurl: try 'curl --help' for more information\n");
    return 2;
  }
  const retries = Math.min(Number(options.get("retry") ?? 0) || 0, 20);
  let code = 0;
  for (const text of options.rest) {
    code = await get(text, options);
    for (let count = 0; code === 28 && count < retries; count++) code = await get(text, options);
  }
  return code;
}
