/**
 * @module The process that answers for all containers without one: what anybody sends to a stand-in server is read here, by
 * a process without any right, in a container of its own. Sockets are handed in by the machine, which keeps them: when
 * this process ends, however it ends, the next one gets them again.
 */
import { closeSync, read } from "node:fs";
import { isIP, type Socket } from "node:net";
import { promisify } from "node:util";
import { OpError } from "../../base/errors.ts";
import { DescriptorChannel } from "../../linux/descriptor-channel.ts";
import { Poller } from "../../linux/poller.ts";
import { raiseFileLimit } from "../../linux/sockets.ts";
import type { Image } from "./image.ts";
import { askOn, connectOn, resolveName } from "./pod-connection.ts";
import type { ServerContext } from "./servers/context.ts";
import { StandIn } from "./stand-in.ts";
import type { Order, Report, SocketKind, StandInDescription, WantedFile } from "./stand-in-messages.ts";

/** Our standard input. */
const CHANNEL = 0;
/** Of a page, as a stand-in serves it. */
const MOST_FILE_BYTES = 16 * 1024 * 1024;
const MOST_ETC_BYTES = 1024 * 1024;
/** Beyond it we end ourselves, and are started again. Buffers are not in the heap that V8 limits. */
const MOST_MEMORY_BYTES = 400 * 1024 * 1024;
const LOOK_MS = 500;
/** Log lines that the machine has not taken yet; what comes beyond is counted, not kept. */
const MOST_QUEUED_BYTES = 1024 * 1024;
const MOST_LINE_CHARACTERS = 4096;
const REQUEST_MS = 5_000;

const readSome = promisify(read);

interface Served {
  readonly description: StandInDescription;
  readonly standIn: StandIn;
}

class StandInProcess {
  readonly #poller = new Poller();
  readonly #channel: DescriptorChannel;
  readonly #images = new Map<string, Image>();
  readonly #served = new Map<number, Served>();
  readonly #requests = new Map<number, (descriptor: number | undefined, problem: string) => void>();
  #lastRequest = 0;
  #lines: (readonly [number, string])[] = [];
  #lostLines = 0;

  constructor() {
    this.#channel = new DescriptorChannel({
      poller: this.#poller,
      descriptor: CHANNEL,
      received: (message, descriptor) => this.#received(message as Order, descriptor),
      closed: () => process.exit(0),
    });
    setInterval(() => {
      if (process.memoryUsage.rss() > MOST_MEMORY_BYTES) process.exit(1);
    }, LOOK_MS);
  }

  #report(report: Report): void {
    this.#channel.send(report);
  }

  #received(order: Order, descriptor: number | undefined): void {
    switch (order.do) {
      case "image":
        this.#images.set(order.image.pattern, order.image);
        return;
      case "serve":
        this.#serve(order.container, order.description);
        return;
      case "listen":
        if (descriptor !== undefined) this.#listen(order, descriptor);
        return;
      case "close":
        this.#served.get(order.container)?.standIn.close();
        this.#served.delete(order.container);
        return;
      case "answer": {
        const take = this.#requests.get(order.request);
        this.#requests.delete(order.request);
        if (take) take(descriptor, order.problem ?? "");
        else if (descriptor !== undefined) closeSync(descriptor);
        return;
      }
      case "ping":
        this.#report({ do: "pong", number: order.number });
        return;
      default:
        order satisfies never;
    }
  }

  #listen({ container, port }: Extract<Order, { do: "listen" }>, descriptor: number): void {
    const served = this.#served.get(container);
    if (served) served.standIn.add(port, descriptor);
    else closeSync(descriptor);
  }

  #serve(container: number, description: StandInDescription): void {
    const image = this.#images.get(description.image);
    if (!image) return;
    const context = this.#contextOf(container, description, image);
    this.#served.set(container, { description, standIn: new StandIn(this.#poller, context) });
  }

  #contextOf(container: number, description: StandInDescription, image: Image): ServerContext {
    const env = new Map(description.env);
    const resolve = (host: string): Promise<string> =>
      resolveName(host, {
        read: async (file) =>
          ((await this.#read(container, { kind: file }, MOST_ETC_BYTES)) ?? Buffer.alloc(0)).toString(),
        ask: async (target, message) =>
          askOn(await this.#socket(container, isIP(target.address) === 6 ? "udp6" : "udp4"), target, message),
      });
    return {
      ...description,
      image,
      env,
      log: (line) => this.#log(container, line),
      readFile: (path) => this.#read(container, { kind: "path", path }, MOST_FILE_BYTES),
      dial: async (host, port, timeoutMs): Promise<Socket> => {
        const address = await resolve(host);
        const descriptor = await this.#socket(container, isIP(address) === 6 ? "tcp6" : "tcp4");
        return connectOn(descriptor, { address, port, timeoutMs });
      },
      ask: async (host, port, message, timeoutMs) => {
        const address = await resolve(host);
        const descriptor = await this.#socket(container, isIP(address) === 6 ? "udp6" : "udp4");
        return (await askOn(descriptor, { address, port, timeoutMs }, Buffer.from(message))).toString();
      },
      exit: (code) => this.#report({ do: "exit", container, code }),
    };
  }

  #log(container: number, line: string): void {
    if (this.#channel.queuedBytes > MOST_QUEUED_BYTES) {
      this.#lostLines++;
      return;
    }
    if (this.#lines.length === 0) setImmediate(() => this.#flushLines());
    if (this.#lostLines > 0) {
      this.#lines.push([container, `tortie: ${this.#lostLines} lines were lost`]);
      this.#lostLines = 0;
    }
    this.#lines.push([container, line.slice(0, MOST_LINE_CHARACTERS)]);
  }

  #flushLines(): void {
    const lines = this.#lines;
    this.#lines = [];
    this.#report({ do: "log", lines });
  }

  /** @throws OpError when the machine does not answer, or has none */
  #request(
    make: (request: number) => Report,
  ): Promise<{ readonly descriptor: number | undefined; readonly problem: string }> {
    const request = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#requests.delete(request);
        reject(new OpError("the machine does not answer", { code: "kernel-refused" }));
      }, REQUEST_MS);
      this.#requests.set(request, (descriptor, problem) => {
        clearTimeout(timer);
        resolve({ descriptor, problem });
      });
      this.#report(make(request));
    });
  }

  async #socket(container: number, kind: SocketKind): Promise<number> {
    const { descriptor, problem } = await this.#request((request) => ({
      do: "socket",
      request,
      container,
      kind,
    }));
    if (descriptor !== undefined) return descriptor;
    throw new OpError(`no socket: ${problem}`, { code: "kernel-refused" });
  }

  async #read(container: number, file: WantedFile, mostBytes: number): Promise<Buffer | undefined> {
    const { descriptor } = await this.#request((request) => ({ do: "file", request, container, file }));
    if (descriptor === undefined) return undefined;
    const parts: Buffer[] = [];
    let bytes = 0;
    try {
      while (bytes < mostBytes) {
        const part = Buffer.alloc(65_536);
        const { bytesRead } = await readSome(descriptor, part, 0, part.length, bytes);
        if (bytesRead === 0) break;
        parts.push(part.subarray(0, bytesRead));
        bytes += bytesRead;
      }
      return Buffer.concat(parts).subarray(0, mostBytes);
    } catch {
      return undefined;
    } finally {
      closeSync(descriptor);
    }
  }
}

raiseFileLimit();
// One connection's fault is not all others' end.
process.on("uncaughtException", (error) => process.stderr.write(`${error.stack ?? error.message}\n`));
process.on("unhandledRejection", (error) => process.stderr.write(`${String(error)}\n`));
new StandInProcess();
