/** @module wget, with busybox's words. Debian's busybox has one that knows no --timeout, and fails at -T. */
import { createWriteStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import path from "node:path";
import type { Writable } from "node:stream";
import type { Options } from "./options.ts";
import { durationMs, parseOptions } from "./options.ts";
import { codeOf, complain, errorWords, place, resolveName } from "./program.ts";
import { portOf, rawHeaders, send, TimedOut } from "./request.ts";

const RULES = {
  flags: "qScnv46bN",
  values: "OTtUPoYe",
  long: {
    quiet: "q",
    "server-response": "S",
    continue: "c",
    spider: "spider",
    timeout: "T",
    "connect-timeout": "T",
    "read-timeout": "T",
    "dns-timeout": "T",
    tries: "t",
    "output-document": "O",
    "output-file": "o",
    "directory-prefix": "P",
    "user-agent": "U",
    header: "header",
    "post-data": "post-data",
    "no-check-certificate": "k",
    "no-verbose": "q",
    verbose: "v",
    "no-proxy": "Y-",
    "no-cache": "no-cache",
    "inet4-only": "4",
    "inet6-only": "6",
  },
  longValues: ["header", "post-data"],
};

const MAX_REDIRECTS = 5;
const BAR = "*".repeat(32);

interface Job {
  readonly options: Options;
  readonly quiet: boolean;
  readonly timeoutMs: number | undefined;
}

/** A failure in words, for "wget: ". */
class Failed extends Error {}

function headersOf(options: Options): Record<string, string> {
  const headers: Record<string, string> = { "User-Agent": options.get("U") ?? "Wget" };
  for (const header of options.all("header")) {
    const colon = header.indexOf(":");
    if (colon > 0) headers[header.slice(0, colon).trim()] = header.slice(colon + 1).trim();
  }
  if (options.has("post-data") && headers["Content-Type"] === undefined)
    headers["Content-Type"] = "application/x-www-form-urlencoded";
  return headers;
}

async function fetchHead(url: URL, job: Job): Promise<IncomingMessage> {
  const { options, timeoutMs } = job;
  const address = await resolveName(url.hostname);
  if (address === undefined) throw new Failed(`bad address '${url.host}'`);
  if (!job.quiet) complain(`Connecting to ${url.host} (${place(address, portOf(url))})\n`);
  const body = options.get("post-data");
  try {
    return await send({
      url,
      address,
      method: options.has("spider") ? "HEAD" : body === undefined ? "GET" : "POST",
      headers: headersOf(options),
      body,
      connectTimeoutMs: timeoutMs,
      idleTimeoutMs: timeoutMs,
      insecure: true,
    });
  } catch (error) {
    if (error instanceof TimedOut) throw error;
    const code = codeOf(error);
    const before = code.startsWith("E") && code !== "ECONNRESET" && code !== "EPIPE";
    throw new Failed(
      before ? `can't connect to remote host (${address}): ${errorWords(error)}` : "error getting response",
      { cause: error },
    );
  }
}

/** The response to the request and to what it redirects to. @throws Failed, TimedOut */
async function fetchFinal(
  first: URL,
  job: Job,
): Promise<{ readonly response: IncomingMessage; readonly url: URL }> {
  let url = first;
  for (let count = 0; ; count++) {
    const response = await fetchHead(url, job);
    if (job.options.has("S"))
      complain(
        `${rawHeaders(response)
          .map((line) => `  ${line}\n`)
          .join("")}`,
      );
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return { response, url };
    const { location } = response.headers;
    response.resume();
    if (status < 300 || status >= 400 || location === undefined) {
      throw new Failed(
        `server returned error: HTTP/${response.httpVersion} ${status} ${response.statusMessage ?? ""}`.trim(),
      );
    }
    if (count >= MAX_REDIRECTS) throw new Failed("too many redirections");
    url = new URL(location, url);
  }
}

/** `612`, `12345`, `1234k`. */
function size(bytes: number): string {
  return bytes < 100_000 ? String(bytes) : `${Math.round(bytes / 1024)}k`;
}

async function save(response: IncomingMessage, name: string, job: Job): Promise<void> {
  const stdout = name === "-";
  if (!job.quiet) complain(stdout ? "writing to stdout\n" : `saving to '${name}'\n`);
  const sink: Writable = stdout ? process.stdout : createWriteStream(name);
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (!sink.write(chunk)) await new Promise((resolve) => sink.once("drain", resolve));
  }
  if (!stdout) await new Promise<void>((resolve) => sink.end(resolve));
  if (job.quiet) return;
  const shown = name.slice(0, 20).padEnd(20);
  complain(`${shown} 100% |${BAR}| ${size(bytes).padStart(5)}  0:00:00 ETA\n`);
  complain(stdout ? "written to stdout\n" : `'${name}' saved\n`);
}

function parseUrl(text: string): URL | undefined {
  const whole = /^[a-z]+:\/\//i.test(text) ? text : `http://${text}`;
  return URL.canParse(whole) ? new URL(whole) : undefined;
}

async function download(text: string, job: Job): Promise<void> {
  const { options } = job;
  const first = parseUrl(text);
  if (!first) throw new Failed(`bad address '${text}'`);
  if (first.protocol !== "http:" && first.protocol !== "https:")
    throw new Failed(`not an http or ftp url: ${text}`);
  const { response, url } = await fetchFinal(first, job);
  if (options.has("spider")) {
    response.resume();
    if (!job.quiet) complain("remote file exists\n");
    return;
  }
  const plain = path.posix.basename(url.pathname) || "index.html";
  await save(response, options.get("O") ?? path.join(options.get("P") ?? "", plain), job);
}

export async function wget(words: readonly string[]): Promise<number> {
  const options = parseOptions(words, RULES);
  if (options.rest.length === 0) {
    complain(
      "BusyBox-like wget: missing URL\nUsage: wget [-cqS] [--spider] [-O FILE] [--header STR] [--post-data STR] [-T SEC] [-t N] URL...\n",
    );
    return 1;
  }
  const timeout = durationMs(options.get("T") ?? "900");
  const job: Job = { options, quiet: options.has("q"), timeoutMs: timeout === 0 ? undefined : timeout };
  const tries = Math.max(1, Math.min(Number(options.get("t") ?? 1) || 1, 20));
  for (const text of options.rest) {
    for (let attempt = 1; ; attempt++) {
      try {
        await download(text, job);
        break;
      } catch (error) {
        if (attempt < tries && !(error instanceof Failed && error.message.startsWith("bad address")))
          continue;
        const timedOut = error instanceof TimedOut || codeOf(error) === "ETIMEDOUT";
        complain(`wget: ${timedOut ? "download timed out" : errorWords(error)}\n`);
        return 1;
      }
    }
  }
  return 0;
}
