/**
 * @module Containers without a process, as the machine holds them: it opens their sockets and hands them to one process
 * without rights, which answers. When that ends, or says nothing for too long, another one gets the same sockets; whoever
 * connects meanwhile waits in their queues.
 */
import { closeSync } from "node:fs";
import {
  F_DUPFD_CLOEXEC,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../linux/constants.ts";
import { channelPair, DescriptorChannel } from "../../linux/descriptor-channel.ts";
import { errno, errnoName, libc } from "../../linux/libc.ts";
import { inNamespace } from "../../linux/netns.ts";
import type { Poller } from "../../linux/poller.ts";
import { bothFamilies, ipOf, openSocket, socketAddress } from "../../linux/sockets.ts";
import type { ServedPort } from "../images/image.ts";
import { isDatabaseVariable } from "../images/servers/page.ts";
import type { Order, Report, StandInDescription, WantedFile } from "../images/stand-in-messages.ts";
import type { Launched } from "./launch.ts";
import { openSocketIn } from "./pod-network.ts";
import type { Container } from "./running.ts";

const BACKLOG = 511;
const ONE: Buffer = Buffer.from([1, 0, 0, 0]);
const PING_MS = 2_000;
/** Without an answer for so long, it is taken for stuck. */
const MOST_SILENCE_MS = 10_000;
const FIRST_PAUSE_MS = 20;
const MOST_PAUSE_MS = 5_000;
/** One that ran so long is started again at once. */
const STEADY_MS = 10_000;
/** What a container says in a line beyond it is not kept. */
const MOST_REPORTED_LINES = 10_000;

/** A port that somebody else in the pod has. */
export interface PortProblem {
  readonly port: ServedPort;
  readonly errno: string;
}

interface HeldSocket {
  readonly port: ServedPort;
  readonly descriptor: number;
}

interface Held {
  readonly container: Container;
  readonly description: StandInDescription;
  readonly sockets: HeldSocket[];
}

export interface StandInsOptions {
  readonly poller: Poller;
  /** Starts the process with this end of a channel as its standard input. */
  readonly start: (channel: number) => Promise<Launched>;
  /** A file of a container, opened with no more than the container's rights; undefined where there is none. */
  readonly openFile: (container: Container, file: WantedFile) => Promise<number | undefined>;
  /** The stand-in ends itself. */
  readonly ended: (container: Container, code: number) => void;
}

export class StandIns {
  readonly #options: StandInsOptions;
  readonly #held = new Map<number, Held>();
  readonly #numbers = new Map<Container, number>();
  #last = 0;
  #channel: DescriptorChannel | undefined;
  #process: Launched | undefined;
  readonly #describedImages = new Set<string>();
  #startedAt = 0;
  #pause = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  #pinger: NodeJS.Timeout | undefined;
  #heardAt = 0;
  #restarts = 0;
  #closed = false;

  constructor(options: StandInsOptions) {
    this.#options = options;
  }

  /** How often the process was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Of the process, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** @returns the ports that could not be had; the others are listened on from now on */
  listen(container: Container, ports: readonly ServedPort[]): readonly PortProblem[] {
    const problems: PortProblem[] = [];
    const sockets: HeldSocket[] = [];
    const seen = new Set<string>();
    inNamespace(container.pod.netns, () => {
      for (const port of ports) {
        const key = `${port.protocol} ${port.port}`;
        // No SCTP: kernels often have none, and nobody sends it but by raw socket (see `linux/raw-sockets.ts`).
        if (port.protocol === "SCTP" || seen.has(key)) continue;
        seen.add(key);
        const opened = open(port);
        if (typeof opened === "number") sockets.push({ port, descriptor: opened });
        else problems.push({ port, errno: opened.errno });
      }
    });
    const number = ++this.#last;
    const held = { container, description: describe(container), sockets };
    this.#held.set(number, held);
    this.#numbers.set(container, number);
    if (this.#channel) this.#hand(this.#channel, number, held);
    else if (this.#timer === undefined) this.#start();
    return problems;
  }

  close(container: Container): void {
    const number = this.#numbers.get(container);
    if (number === undefined) return;
    this.#numbers.delete(container);
    for (const { descriptor } of this.#held.get(number)?.sockets ?? []) closeSync(descriptor);
    this.#held.delete(number);
    this.#order({ do: "close", container: number });
  }

  #order(order: Order, descriptor?: number, handOver = false): void {
    if (this.#channel) this.#channel.send(order, descriptor, handOver);
    else if (handOver && descriptor !== undefined) closeSync(descriptor);
  }

  #hand(channel: DescriptorChannel, number: number, { container, description, sockets }: Held): void {
    const { image } = container.found;
    if (!this.#describedImages.has(image.pattern)) {
      this.#describedImages.add(image.pattern);
      channel.send({ do: "image", image } satisfies Order);
    }
    channel.send({ do: "serve", container: number, description } satisfies Order);
    // A queued packet would hold a number that may be another file by then: each is sent as a copy of its own.
    for (const { port, descriptor } of sockets)
      channel.send({ do: "listen", container: number, port } satisfies Order, duplicate(descriptor), true);
  }

  // ── the process ─────────────────────────────────────────────────────────────────────────────────────────────────

  #start(): void {
    this.#timer = undefined;
    this.#startedAt = this.#heardAt = Date.now();
    const [ours, theirs] = channelPair();
    const channel = new DescriptorChannel({
      poller: this.#options.poller,
      descriptor: ours,
      received: (message, descriptor) => {
        if (descriptor !== undefined) closeSync(descriptor);
        this.#heardAt = Date.now();
        try {
          this.#reported(message);
        } catch {
          // It says what no process of ours does: somebody else speaks for it.
          this.#failed(channel);
        }
      },
      closed: () => this.#failed(channel),
    });
    this.#channel = channel;
    this.#describedImages.clear();
    for (const [number, held] of this.#held) this.#hand(channel, number, held);
    this.#options
      .start(theirs)
      .then(
        (launched) => this.#follow(channel, launched),
        () => this.#failed(channel),
      )
      .finally(() => closeSync(theirs));
    this.#pinger = setInterval(() => this.#ping(), PING_MS);
    this.#pinger.unref();
  }

  #follow(channel: DescriptorChannel, launched: Launched): void {
    // What Node says of its own end is of no use to anybody here.
    launched.stdout.resume();
    launched.stderr?.resume();
    if (this.#channel !== channel) {
      launched.kill("SIGKILL");
      return;
    }
    this.#process = launched;
    const ended = (): void => this.#failed(channel);
    launched.end.then(ended, ended);
  }

  #ping(): void {
    if (Date.now() - this.#heardAt > MOST_SILENCE_MS) {
      this.#process?.kill("SIGKILL");
      return;
    }
    this.#order({ do: "ping", number: 0 });
  }

  #failed(channel: DescriptorChannel): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    clearInterval(this.#pinger);
    channel.close();
    this.#process?.kill("SIGKILL");
    this.#process = undefined;
    if (this.#closed) return;
    this.#restarts++;
    const isSteady = Date.now() - this.#startedAt > STEADY_MS;
    this.#pause = isSteady ? FIRST_PAUSE_MS : Math.min(this.#pause * 2, MOST_PAUSE_MS);
    this.#timer = setTimeout(() => this.#start(), this.#pause);
    this.#timer.unref();
  }

  // ── what it says: it may be anything, as if a client had written it ────────────────────────────────────────────

  #reported(message: unknown): void {
    const report = message as Report | null;
    switch (report?.do) {
      case "log":
        this.#log(report.lines);
        return;
      case "exit": {
        const held = this.#held.get(report.container);
        if (held) this.#options.ended(held.container, Number(report.code) & 255);
        return;
      }
      case "socket": {
        const held = this.#held.get(report.container);
        this.#answer(report.request, () =>
          held ? openSocketIn(held.container.pod.netns, report.kind) : undefined,
        );
        return;
      }
      case "file":
        void this.#answerFile(report);
        return;
      default:
        // A pong says only that it is there.
        return;
    }
  }

  #log(lines: Extract<Report, { do: "log" }>["lines"]): void {
    if (!Array.isArray(lines)) return;
    for (const [number, line] of lines.slice(0, MOST_REPORTED_LINES)) {
      const container = this.#held.get(number)?.container;
      if (container && !container.ended) container.log.line("stdout", String(line));
    }
  }

  #answer(request: number, get: () => number | undefined): void {
    try {
      this.#order({ do: "answer", request }, get(), true);
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#order({ do: "answer", request, problem });
    }
  }

  async #answerFile({ request, container, file }: Extract<Report, { do: "file" }>): Promise<void> {
    const held = this.#held.get(container);
    const descriptor = held
      ? await this.#options.openFile(held.container, file).catch(() => undefined)
      : undefined;
    this.#answer(request, () => descriptor);
  }

  /** All sockets are closed, and the process ends. */
  stop(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pinger);
    for (const container of [...this.#numbers.keys()]) this.close(container);
    this.#channel?.close();
    this.#process?.kill("SIGKILL");
    this.#channel = undefined;
  }
}

function duplicate(descriptor: number): number {
  return libc().fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

function open(port: ServedPort): number | { readonly errno: string } {
  const isTcp = port.protocol === "TCP";
  const fd = openSocket(6, isTcp ? SOCK_STREAM : SOCK_DGRAM, isTcp ? IPPROTO_TCP : IPPROTO_UDP);
  bothFamilies(fd);
  if (isTcp) libc().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
  const address = socketAddress(ipOf("::"), port.port);
  const bound = libc().bind(fd, address, address.length);
  if (bound >= 0 && (!isTcp || libc().listen(fd, BACKLOG) >= 0)) return fd;
  const name = errnoName(errno());
  closeSync(fd);
  return { errno: name };
}

function describe({ pod, config, found }: Container): StandInDescription {
  return {
    pod: pod.name,
    namespace: pod.namespace,
    hostname: pod.hostname,
    address: pod.addresses[0] ?? "",
    imageName: config.image,
    tag: found.reference.tag,
    image: found.image.pattern,
    env: [...found.image.env, ...config.env].filter(([name]) => isDatabaseVariable(name)),
  };
}
