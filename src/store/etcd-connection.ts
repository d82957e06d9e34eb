/**
 * @module Requests to etcd, at the first member that answers. One that does not answer in time is left: it may be cut off
 * from us, or from the others, and would keep us waiting for as long as that lasts.
 */
import { setMaxListeners } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { must, OpError } from "../base/errors.ts";
import type { Endpoint } from "./etcd-address.ts";
import type { Failure, Header } from "./etcd-wire.ts";
import type { Revision } from "./store.ts";

/** How long etcd may be away, to elect a leader or to be started again, before a request fails. */
const PATIENCE_MS = 10_000;
/** How long a member may say nothing before another one is asked. */
const SILENCE_MS = 5000;
export const PAUSE_MS = 50;
const MAX_SOCKETS = 64;

/** etcd took the request and refused it. */
export class EtcdError extends Error {
  override readonly name = "EtcdError";
}

/** Of gRPC, which the gateway hands on. */
const DEADLINE_EXCEEDED = 4;
const INTERNAL = 13;
const UNAVAILABLE = 14;

export interface EtcdTimes {
  /** Default: 5 s. */
  readonly silenceMs?: number;
}

export class EtcdConnection {
  readonly #endpoints: readonly Endpoint[];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #streams = new Agent({ keepAlive: false });
  readonly #end = new AbortController();
  readonly silenceMs: number;
  #chosen = 0;
  #latest: Revision = 0;

  constructor(endpoints: readonly Endpoint[], { silenceMs = SILENCE_MS }: EtcdTimes = {}) {
    // Every request ends with the store.
    setMaxListeners(0, this.#end.signal);
    this.#endpoints = endpoints;
    this.silenceMs = silenceMs;
  }

  /** The member that is asked at present. */
  get chosen(): number {
    return this.#chosen;
  }

  /** The latest revision that we have heard of. */
  get latest(): Revision {
    return this.#latest;
  }

  /** Aborted when the connection is closed. */
  get signal(): AbortSignal {
    return this.#end.signal;
  }

  heardOf(revision: Revision): void {
    if (revision > this.#latest) this.#latest = revision;
  }

  /**
   * Asks one member after the other until one answers.
   * @param lost - told when a request may have been done though nobody said so
   */
  async ask<T>(call: string, body: unknown, lost?: () => void): Promise<T> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const { chosen } = this;
      try {
        return await this.askOf<T>(chosen, call, body);
      } catch (cause) {
        if (cause instanceof EtcdError || this.#end.signal.aborted) throw cause;
        const { code, message } = cause as NodeJS.ErrnoException;
        if (code !== "ECONNREFUSED" && code !== "ENOENT") lost?.();
        if (Date.now() > deadline) {
          throw new OpError(`etcd at ${this.#names()} does not answer: ${message}`, {
            code: "api-unreachable",
            cause,
          });
        }
        this.leave(chosen);
        if (this.#chosen === 0) await sleep(PAUSE_MS);
      }
    }
  }

  /** @throws EtcdError when it is refused; any other error when this member cannot do it now */
  async askOf<T>(member: number, call: string, body: unknown): Promise<T> {
    const response = await this.#post(member, call, body, "answer");
    const text = await textOf(response);
    const answer = JSON.parse(text) as T & Failure & { readonly header?: Header };
    if (response.statusCode === 200) {
      if (answer.header) this.heardOf(Number(answer.header.revision));
      return answer;
    }
    const message = answer.message ?? answer.error ?? text;
    const isElsewhere =
      answer.code === UNAVAILABLE || answer.code === DEADLINE_EXCEEDED || answer.code === INTERNAL;
    throw isElsewhere ? new Error(message) : new EtcdError(message);
  }

  /** An answer that goes on: only its beginning has to come in time. */
  stream(call: string, body: unknown): Promise<IncomingMessage> {
    return this.#post(this.#chosen, call, body, "stream");
  }

  #names(): string {
    return this.#endpoints
      .map((one) => ("socketPath" in one ? one.socketPath : `${one.host}:${one.port}`))
      .join(", ");
  }

  /** On to the next one, unless somebody has gone there already. */
  leave(member: number): void {
    if (this.#chosen === member) this.#chosen = (member + 1) % this.#endpoints.length;
  }

  #post(member: number, call: string, body: unknown, kind: "answer" | "stream"): Promise<IncomingMessage> {
    const endpoint = must(this.#endpoints[member], "an endpoint of etcd");
    const text = Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        ...endpoint,
        agent: kind === "stream" ? this.#streams : this.#agent,
        path: `/v3/${call}`,
        method: "POST",
        signal: this.#end.signal,
        timeout: this.silenceMs,
        headers: { "content-type": "application/json", "content-length": text.length },
      });
      request.on("response", (response) => {
        if (kind === "stream") request.setTimeout(0);
        resolve(response);
      });
      request.on("timeout", () => request.destroy(new Error(`nothing heard for ${this.silenceMs} ms`)));
      request.on("error", reject);
      request.end(text);
    });
  }

  close(): void {
    this.#end.abort();
    this.#agent.destroy();
    this.#streams.destroy();
  }
}

function textOf(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("end", () => resolve(Buffer.concat(chunks).toString()));
    response.on("error", reject);
  });
}
