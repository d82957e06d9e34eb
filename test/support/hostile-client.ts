/**
 * @module A client of exec, attach, logs, port-forward and proxies that keeps to no rule: it stops reading, leaves half-way,
 * sends what is no frame, frames that are too large, windows of nothing. It writes its bytes itself, over whatever
 * connection it is given, and always leaves in the end.
 */
import { randomBytes } from "node:crypto";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { controlFrame, dataFrame, FRAME, numbers } from "../../src/kubelet/streams/spdy-frames.ts";
import { HeaderWriter } from "../../src/kubelet/streams/spdy-headers.ts";
import { Random } from "./random.ts";

export interface HostileTarget {
  /** A new connection to the API server. */
  readonly connect: () => Duplex;
  /** Of an administrator, as a header's value; undefined where the connection says who it is. */
  readonly authorization?: string | undefined;
  /** A running pod of the namespace `default`, with one container that has `cat`. */
  readonly pod: string;
  /** Open in the pod. */
  readonly port: number;
  /** There HTTP is spoken. */
  readonly webPort: number;
}

/** How a client speaks, what it asks for, and what it does then. */
const TRANSPORTS = ["web socket", "spdy", "http"] as const;
const VERBS = ["exec-flood", "exec-cat", "attach", "portforward", "log", "proxy", "proxy-upgrade"] as const;
export const BEHAVIOURS = [
  "stops-reading",
  "reads-a-little",
  "closes-half",
  "resets",
  "garbage",
  "oversized",
  "no-window",
  "pings",
  "many-streams",
  "floods",
  "cut-frame",
] as const;

type Transport = (typeof TRANSPORTS)[number];
type Verb = (typeof VERBS)[number];
type Behaviour = (typeof BEHAVIOURS)[number];

export interface HostileSession {
  readonly transport: Transport;
  readonly verb: Verb;
  readonly behaviour: Behaviour;
  /** The first line of the server's answer, before the client misbehaved; empty where there was none. */
  readonly answer: string;
}

/** Each verb over each transport that has it. */
const WAYS: readonly (readonly [Transport, Verb])[] = [
  ...(["exec-flood", "exec-cat", "attach", "portforward", "proxy-upgrade"] as const).map(
    (verb) => ["web socket", verb] as const,
  ),
  ...(["exec-flood", "exec-cat", "attach", "portforward"] as const).map((verb) => ["spdy", verb] as const),
  ["http", "log"],
  ["http", "proxy"],
];

/** So many sessions meet every behaviour on every way once. */
export const EVERY_SESSION = WAYS.length * BEHAVIOURS.length;

const HANDSHAKE_MS = 5_000;
const MISBEHAVE_MS = 150;
const FLOOD_BYTES = 8 * 1024 * 1024;
/** Before it is noticed that nobody reads at the other end. */
const MANY = 5_000;

function pathOf(verb: Verb, { pod, port, webPort }: HostileTarget, transport: Transport): string {
  const place = `/api/v1/namespaces/default/pods/${pod}`;
  const flood = "command=cat&command=/dev/zero&stdout=true&stderr=true";
  switch (verb) {
    case "exec-flood":
      return `${place}/exec?${flood}`;
    case "exec-cat":
      return `${place}/exec?command=cat&stdin=true&stdout=true`;
    case "attach":
      return `${place}/attach?stdin=true&stdout=true&stderr=true`;
    case "portforward":
      return `${place}/portforward${transport === "web socket" ? `?ports=${port}` : ""}`;
    case "log":
      return `${place}/log?follow=true`;
    case "proxy":
    case "proxy-upgrade":
      return `${place.replace(/\/pods\/.*/, "")}/pods/${pod}:${webPort}/proxy/`;
    default:
      return verb satisfies never;
  }
}

function headOf(transport: Transport, verb: Verb, target: HostileTarget): string {
  const lines = [
    `${transport === "spdy" ? "POST" : "GET"} ${pathOf(verb, target, transport)} HTTP/1.1`,
    "Host: tortie",
    ...(target.authorization === undefined ? [] : [`Authorization: ${target.authorization}`]),
  ];
  if (transport === "web socket")
    lines.push(
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      "Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io",
    );
  if (transport === "spdy") {
    const protocol = verb === "portforward" ? "portforward.k8s.io" : "v4.channel.k8s.io";
    lines.push(
      "Connection: Upgrade",
      "Upgrade: SPDY/3.1",
      `X-Stream-Protocol-Version: ${protocol}`,
      "Content-Length: 0",
    );
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** A ping of a client: of control frames, the length is one byte. */
function webSocketPing(): Buffer {
  return Buffer.concat([Buffer.of(0x89, 0x80 | 100, 0, 0, 0, 0), randomBytes(100)]);
}

/** A web socket's frame of a client, masked with zeros. */
function webSocketFrame(opcode: number, bytes: Buffer, claimed = bytes.length): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(claimed), 2);
  return Buffer.concat([head, bytes]);
}

class Session {
  readonly #socket: Duplex;
  readonly #transport: Transport;
  readonly #verb: Verb;
  readonly #target: HostileTarget;
  readonly #headers = new HeaderWriter();
  #isOver = false;
  #nextStream = 1;

  constructor(transport: Transport, verb: Verb, target: HostileTarget) {
    this.#transport = transport;
    this.#verb = verb;
    this.#target = target;
    this.#socket = target.connect();
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("close", () => {
      this.#isOver = true;
    });
  }

  /** @returns the first line of the answer */
  async begin(): Promise<string> {
    const socket = this.#socket;
    socket.write(headOf(this.#transport, this.#verb, this.#target));
    const answer = await new Promise<string>((resolve) => {
      let text = "";
      const timer = setTimeout(() => done(), HANDSHAKE_MS);
      const done = (): void => {
        clearTimeout(timer);
        socket.off("data", read);
        socket.pause();
        resolve(text);
      };
      const read = (chunk: Buffer): void => {
        text += chunk.toString("latin1");
        if (text.includes("\r\n\r\n")) done();
      };
      socket.on("data", read);
      socket.once("close", done);
    });
    if (this.#transport === "spdy" && answer.startsWith("HTTP/1.1 101")) this.#openStreams();
    // A copy: a part of a string keeps all of it.
    return Buffer.from(answer.split("\r\n", 1)[0] ?? "").toString();
  }

  #openStreams(): void {
    if (this.#verb === "portforward") {
      this.#openPair();
      return;
    }
    const input = this.#verb === "exec-flood" ? [] : ["stdin"];
    const errors = this.#verb === "exec-cat" ? [] : ["stderr"];
    for (const type of ["error", ...input, "stdout", ...errors]) this.#open({ streamtype: type });
  }

  #openPair(): void {
    const id = String(this.#nextStream);
    for (const streamtype of ["error", "data"])
      this.#open({ streamtype, port: String(this.#target.port), requestid: id });
  }

  #open(headers: Readonly<Record<string, string>>): number {
    const id = this.#nextStream;
    this.#nextStream += 2;
    const block = this.#headers.write(new Map(Object.entries(headers)));
    this.#write(controlFrame(FRAME.synStream, Buffer.concat([numbers(id, 0), Buffer.alloc(2), block])));
    return id;
  }

  #write(bytes: Buffer): void {
    if (!this.#isOver && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Bytes in the transport's frames, for the channel or stream that the server reads. */
  #frame(bytes: Buffer): Buffer {
    if (this.#transport === "spdy") return dataFrame(3, bytes);
    if (this.#transport === "web socket") return webSocketFrame(2, Buffer.concat([Buffer.of(0), bytes]));
    return bytes;
  }

  async misbehave(behaviour: Behaviour, random: Random): Promise<void> {
    const socket = this.#socket;
    switch (behaviour) {
      case "stops-reading":
        await sleep(MISBEHAVE_MS);
        socket.destroy();
        return;
      case "reads-a-little": {
        let left = 100_000;
        await new Promise<void>((resolve) => {
          setTimeout(resolve, MISBEHAVE_MS);
          socket.once("close", () => resolve());
          socket.on("data", (chunk: Buffer) => {
            left -= chunk.length;
            if (left < 0) resolve();
          });
        });
        socket.destroy();
        return;
      }
      case "closes-half":
        socket.end();
        await sleep(random.below(MISBEHAVE_MS));
        return;
      case "resets":
        await sleep(random.below(MISBEHAVE_MS));
        if (socket instanceof Socket && !("encrypted" in socket)) resetOf(socket);
        return;
      case "garbage":
        this.#write(randomBytes(1 + random.below(4096)));
        break;
      case "oversized":
        if (this.#transport === "web socket") this.#write(webSocketFrame(2, randomBytes(64), 2 ** 40));
        else {
          this.#write(controlFrame(FRAME.synStream, Buffer.alloc(128 * 1024)));
          this.#write(randomBytes(1024 * 1024));
        }
        break;
      case "no-window":
        // SETTINGS: one entry, the initial window, of nothing.
        this.#write(controlFrame(FRAME.settings, numbers(1, 7, 0)));
        this.#write(controlFrame(FRAME.windowUpdate, numbers(1, 0)));
        break;
      case "pings":
        for (let sent = 1; sent <= MANY; sent++)
          this.#write(
            this.#transport === "spdy" ? controlFrame(FRAME.ping, numbers(sent * 2 - 1)) : webSocketPing(),
          );
        break;
      case "many-streams":
        if (this.#transport === "spdy") {
          for (let opened = 0; opened < 1000; opened++)
            if (this.#verb === "portforward") this.#openPair();
            else this.#open({ streamtype: "resize" });
          this.#write(controlFrame(FRAME.rstStream, numbers(3, 5)));
        } else
          for (let sent = 0; sent < MANY; sent++) this.#write(webSocketFrame(2, Buffer.of(sent & 0xff, 0)));
        break;
      case "floods": {
        const block = this.#frame(Buffer.alloc(64 * 1024));
        for (let sent = 0; sent < FLOOD_BYTES; sent += block.length) this.#write(block);
        break;
      }
      case "cut-frame": {
        const frame = this.#frame(randomBytes(1000));
        this.#write(frame.subarray(0, 1 + random.below(frame.length - 1)));
        break;
      }
      default:
        behaviour satisfies never;
    }
    await sleep(random.below(MISBEHAVE_MS));
  }

  async leave(): Promise<void> {
    this.#socket.destroy();
    if (!this.#socket.closed) await new Promise((resolve) => this.#socket.once("close", resolve));
  }
}

/** TCP has a reset; a Unix socket only its end. */
function resetOf(socket: Socket): void {
  if (socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** One session. Numbers that follow one another meet every behaviour on every way. */
export async function hostileSession(target: HostileTarget, number: number): Promise<HostileSession> {
  const [transport, verb] = WAYS[number % WAYS.length] ?? ["http", "log"];
  const behaviour = BEHAVIOURS[Math.floor(number / WAYS.length) % BEHAVIOURS.length] ?? "garbage";
  const session = new Session(transport, verb, target);
  const answer = await session.begin();
  await session.misbehave(behaviour, new Random(number + 1));
  await session.leave();
  return { transport, verb, behaviour, answer };
}

/** Sessions `from` to `to`, some at a time. */
export async function hostileSessions(
  target: HostileTarget,
  { from, to, atOnce = 8 }: { readonly from: number; readonly to: number; readonly atOnce?: number },
): Promise<readonly HostileSession[]> {
  const done: HostileSession[] = [];
  let next = from;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < to) done.push(await hostileSession(target, next++));
    }),
  );
  return done;
}
