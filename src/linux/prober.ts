/**
 * @module Tries connections with real packets, thousands in one process. What a probe proves: "open" and "refused" mean
 * that the packet arrived and an answer came back; "rejected" that something on the way said no; "silent" that nobody
 * said anything, as when a rule drops.
 */
import { OpError } from "../base/errors.ts";
import {
  EADDRINUSE,
  ECONNREFUSED,
  ECONNRESET,
  EINPROGRESS,
  EINVAL,
  ENOPROTOOPT,
  EPOLLIN,
  EPOLLOUT,
  EPROTO,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "./constants.ts";
import { errno, errnoName, libc } from "./libc.ts";
import { inNamespace } from "./netns.ts";
import type { Netns } from "./netns.ts";
import { SCTP_ABORT, SCTP_INIT, SCTP_INIT_ACK, icmpPacket, parseIcmp, parseSctp, sctpPacket } from "./packets.ts";
import type { Poller } from "./poller.ts";
import { RawSockets } from "./raw-sockets.ts";
import type { RawListener, RawProtocol } from "./raw-sockets.ts";
import { ipOf, openSocket, queuedError, receiveErrors, resetOnClose, socketAddress, socketError } from "./sockets.ts";
import type { QueuedError } from "./sockets.ts";

export type ProbeProtocol = "tcp" | "udp" | "icmp" | "sctp";

export interface ProbeSource {
  readonly namespace: Netns;
  readonly address: string;
}

export interface ProbeRequest {
  readonly from: ProbeSource;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  /** For all but ICMP. */
  readonly port?: number;
  /** Echo request when absent. Of other kinds only the arrival is observed: the kernel answers hardly any of them. */
  readonly icmp?: { readonly type: number; readonly code: number };
  /** How long nothing may be heard before the probe is silent; 400 when absent. */
  readonly timeoutMs?: number;
}

export type ProbeOutcome = "open" | "refused" | "rejected" | "silent";

export interface ProbeResult {
  readonly outcome: ProbeOutcome;
  /** Whether the packet arrived: "open" or "refused". */
  readonly reachable: boolean;
  /** The errno or ICMP message behind the outcome, for people. */
  readonly detail?: string;
}

export const DEFAULT_TIMEOUT_MS = 400;
/** In flight at once; each has a file. The hard limit of files can be as low as 4,096. */
const CONCURRENCY = 1024;
const TICK_MS = 10;
const FIRST_PORT = 20_000;
const LAST_PORT = 59_999;
const PAYLOAD: Buffer = Buffer.from("tortie");
/** Starts the payload of ICMP probes; four bytes of the probe's number follow. */
const COOKIE: Buffer = Buffer.from("tort");

export const ICMP_ECHO = 8;
export const ICMP_ECHOREPLY = 0;
export const ICMPV6_ECHO_REQUEST = 128;
export const ICMPV6_ECHO_REPLY = 129;

function result(outcome: ProbeOutcome, detail?: string): ProbeResult {
  const reachable = outcome === "open" || outcome === "refused";
  return detail === undefined ? { outcome, reachable } : { outcome, reachable, detail };
}

/** What an errno of connect or send says. EINVAL is a blackhole route's (ip-route(8)): nobody says anything. */
function refusalOf(number: number): ProbeResult {
  return result(number === EINVAL ? "silent" : "rejected", errnoName(number));
}

/** An ICMP error from the destination itself means that the packet arrived there. */
function errorOf(error: QueuedError, to: string): ProbeResult {
  const own = error.offender === to && [ECONNREFUSED, ENOPROTOOPT, EPROTO].includes(error.errno);
  const detail = `${errnoName(error.errno)}, ICMP ${error.type}/${error.code} from ${error.offender ?? "this host"}`;
  return result(own ? "refused" : "rejected", detail);
}

interface Flight {
  readonly request: ProbeRequest;
  readonly deadline: number;
  readonly finish: (outcome: ProbeResult) => void;
  /** Closes sockets and forgets keys. */
  clean: () => void;
}

interface Connection {
  readonly request: ProbeRequest;
  readonly fd: number;
  /** ICMP: the flow's identifier and the next sequence number. */
  id: number;
  sequence: number;
  dead: boolean;
  waiting: ((alive: boolean) => void) | undefined;
}

/** An open flow; give it to {@link Prober.checkConnection}. */
export interface ConnectionHandle {
  readonly request: ProbeRequest;
}

export class Prober implements RawListener {
  readonly #poller: Poller;
  readonly #namespaceOf: (address: string) => Netns | undefined;
  readonly raw: RawSockets;
  readonly #ports = new Map<Netns, number>();
  readonly #flights = new Set<Flight>();
  readonly #byNumber = new Map<number, Flight>();
  readonly #bySctp = new Map<string, Flight>();
  readonly #echoes = new Map<number, (alive: boolean) => void>();
  readonly #connections = new Map<ConnectionHandle, Connection>();
  readonly #queue: (() => void)[] = [];
  #queueHead = 0;
  #number = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param namespaceOf - who owns an address, for probes whose arrival is observed */
  constructor(poller: Poller, namespaceOf: (address: string) => Netns | undefined) {
    this.#poller = poller;
    this.#namespaceOf = namespaceOf;
    this.raw = new RawSockets(poller, this);
  }

  /** @returns in the order of the requests */
  async probe(requests: readonly ProbeRequest[]): Promise<ProbeResult[]> {
    const outcomes = requests.map(
      (request) =>
        new Promise<ProbeResult>((resolve, reject) => {
          this.#queue.push(() => {
            try {
              this.#start(request, resolve);
            } catch (error) {
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          });
        }),
    );
    this.#advance();
    return Promise.all(outcomes);
  }

  #advance(): void {
    while (this.#flights.size < CONCURRENCY && this.#queueHead < this.#queue.length) {
      this.#queue[this.#queueHead++]?.();
    }
    if (this.#queueHead === this.#queue.length) {
      this.#queue.length = 0;
      this.#queueHead = 0;
    }
    if (this.#flights.size > 0) this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    else if (this.#timer) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #tick(): void {
    // Answers that already wait count, however busy this thread has been.
    this.#poller.drain();
    const now = performance.now();
    for (const flight of [...this.#flights]) if (flight.deadline <= now) flight.finish(result("silent"));
    this.#advance();
  }

  #start(request: ProbeRequest, resolve: (outcome: ProbeResult) => void): void {
    const flight: Flight = {
      request,
      deadline: performance.now() + (request.timeoutMs ?? DEFAULT_TIMEOUT_MS),
      finish: (outcome) => {
        if (!this.#flights.delete(flight)) return;
        flight.clean();
        resolve(outcome);
        this.#advanceSoon();
      },
      clean: () => undefined,
    };
    this.#flights.add(flight);
    if (request.protocol === "tcp" || request.protocol === "udp") this.#startSocket(flight);
    else if (request.protocol === "icmp") this.#startIcmp(flight);
    else this.#startSctp(flight);
  }

  #soon = false;

  /** Not at once: a probe that ends inside `#advance` must not start the next one from within. */
  #advanceSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    setImmediate(() => {
      this.#soon = false;
      this.#advance();
    });
  }

  /** Ports go round, so that no five-tuple comes again before its conntrack entry is gone. */
  #nextPort(ns: Netns): number {
    const port = this.#ports.get(ns) ?? FIRST_PORT;
    this.#ports.set(ns, port === LAST_PORT ? FIRST_PORT : port + 1);
    return port;
  }

  #portOf(request: ProbeRequest): number {
    if (request.port === undefined) {
      throw new OpError(`a ${request.protocol} probe needs a port`, { code: "input-invalid" });
    }
    return request.port;
  }

  /** @returns a socket bound to the source, with the connection under way; or the errno of connect */
  #connect(request: ProbeRequest): { readonly fd: number; readonly failed: number } {
    const { from } = request;
    const [type, protocol] = request.protocol === "tcp" ? [SOCK_STREAM, IPPROTO_TCP] : [SOCK_DGRAM, IPPROTO_UDP];
    const source = ipOf(from.address);
    const fd = inNamespace(from.namespace, () => openSocket(source.family, type, protocol));
    receiveErrors(fd, source.family);
    for (let attempt = 0; ; attempt++) {
      const bytes = socketAddress(source, this.#nextPort(from.namespace));
      if (libc().bind(fd, bytes, bytes.length) >= 0) break;
      const number = errno();
      if (number === EADDRINUSE && attempt < 100) continue;
      libc().close(fd);
      throw new OpError(`cannot probe from ${from.address} in ${from.namespace.name}: ${errnoName(number)}`, {
        code: "kernel-refused",
        facts: { address: from.address, errno: errnoName(number) },
      });
    }
    const to = socketAddress(ipOf(request.to), this.#portOf(request));
    const failed = libc().connect(fd, to, to.length) >= 0 ? 0 : errno();
    return { fd, failed: failed === EINPROGRESS ? 0 : failed };
  }

  #startSocket(flight: Flight): void {
    const { request } = flight;
    const { fd, failed } = this.#connect(request);
    flight.clean = () => {
      if (request.protocol === "tcp") resetOnClose(fd);
      this.#poller.close(fd);
    };
    if (failed !== 0) return flight.finish(refusalOf(failed));
    if (request.protocol === "tcp") {
      this.#poller.add(fd, EPOLLOUT, () => flight.finish(this.#tcpOutcome(fd)));
      return;
    }
    if (libc().send(fd, PAYLOAD, PAYLOAD.length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      return flight.finish(refusalOf(errno()));
    }
    this.#poller.add(fd, EPOLLIN, () => {
      const error = queuedError(fd);
      if (error) return flight.finish(errorOf(error, request.to));
      if (libc().recv(fd, scratch, scratch.length, MSG_DONTWAIT) >= 0) flight.finish(result("open"));
    });
  }

  #tcpOutcome(fd: number): ProbeResult {
    const number = socketError(fd);
    if (number === 0) return result("open");
    // A RST leaves no ICMP error in the queue; "port unreachable", which has the same errno, does.
    const error = queuedError(fd);
    if (error && error.offender !== undefined) {
      return result("rejected", `${errnoName(number)}, ICMP ${error.type}/${error.code} from ${error.offender}`);
    }
    if (number === ECONNREFUSED || number === ECONNRESET) return result("refused", errnoName(number));
    return refusalOf(number);
  }

  #startIcmp(flight: Flight): void {
    const { request } = flight;
    const number = (this.#number = (this.#number + 1) & 0x7fffffff);
    this.#byNumber.set(number, flight);
    flight.clean = () => this.#byNumber.delete(number);
    if (request.icmp) {
      const target = this.#namespaceOf(request.to);
      if (target) this.raw.hear(target, "icmp", request.to);
    }
    const failed = this.#sendIcmp(request, number & 0xffff, number >>> 16, number);
    if (failed !== 0) flight.finish(refusalOf(failed));
  }

  #sendIcmp(request: ProbeRequest, id: number, sequence: number, number: number): number {
    const { family } = ipOf(request.to);
    const echo = { type: family === 4 ? ICMP_ECHO : ICMPV6_ECHO_REQUEST, code: 0 };
    const payload = Buffer.alloc(8);
    payload.set(COOKIE);
    payload.writeUInt32BE(number, 4);
    const bytes = icmpPacket(family, { ...(request.icmp ?? echo), id, sequence, payload });
    return this.raw.send(request.from.namespace, "icmp", { from: request.from.address, to: request.to, bytes });
  }

  #startSctp(flight: Flight): void {
    const { request } = flight;
    const { namespace, address } = request.from;
    const sourcePort = this.#nextPort(namespace);
    const key = `${namespace.fd} ${sourcePort}`;
    this.#bySctp.set(key, flight);
    flight.clean = () => this.#bySctp.delete(key);
    const bytes = sctpPacket({
      sourcePort,
      destinationPort: this.#portOf(request),
      verificationTag: 0,
      chunk: SCTP_INIT,
      initiateTag: 1 + this.#number++,
    });
    const failed = this.raw.send(namespace, "sctp", { from: address, to: request.to, bytes });
    if (failed !== 0) flight.finish(refusalOf(failed));
  }

  arrived(ns: Netns, protocol: RawProtocol, from: string, bytes: Buffer): void {
    if (protocol === "sctp") {
      const packet = parseSctp(bytes);
      const flight = packet && this.#bySctp.get(`${ns.fd} ${packet.destinationPort}`);
      if (packet?.chunk === SCTP_INIT_ACK) flight?.finish(result("open"));
      else if (packet?.chunk === SCTP_ABORT) flight?.finish(result("refused", "ABORT"));
      return;
    }
    const message = parseIcmp(bytes);
    if (!message?.payload.subarray(0, 4).equals(COOKIE) || message.payload.length < 8) return;
    const number = message.payload.readUInt32BE(4);
    const reply = message.type === ICMP_ECHOREPLY || message.type === ICMPV6_ECHO_REPLY;
    if (reply) this.#echoes.get(number)?.(true);
    const flight = this.#byNumber.get(number);
    if (!flight) return;
    const { icmp, to } = flight.request;
    if (!icmp ? reply : message.type === icmp.type && message.code === icmp.code && ns === this.#namespaceOf(to)) {
      flight.finish(result("open", icmp ? `arrived from ${from}` : undefined));
    }
  }

  refused(ns: Netns, protocol: RawProtocol, error: QueuedError): void {
    if (error.payload.length < 8) return;
    const flight =
      protocol === "sctp"
        ? this.#bySctp.get(`${ns.fd} ${error.payload.readUInt16BE(0)}`)
        : this.#byNumber.get(error.payload.readUInt16BE(4) | (error.payload.readUInt16BE(6) << 16));
    flight?.finish(errorOf(error, flight.request.to));
  }

  /**
   * Opens a flow and keeps it.
   * @throws OpError `kernel-refused` when it does not open
   */
  async openConnection(request: ProbeRequest): Promise<ConnectionHandle> {
    const connection: Connection = {
      request,
      fd: request.protocol === "icmp" ? -1 : await this.#openSocket(request),
      id: (this.#number = (this.#number + 1) & 0x7fffffff) & 0xffff,
      sequence: 0x8000,
      dead: false,
      waiting: undefined,
    };
    const handle: ConnectionHandle = { request };
    this.#connections.set(handle, connection);
    if (connection.fd >= 0) this.#poller.add(connection.fd, EPOLLIN, () => this.#connectionReady(connection));
    if (request.protocol !== "tcp" && !(await this.checkConnection(handle))) {
      this.closeConnection(handle);
      throw this.#notOpened(request, "silent");
    }
    return handle;
  }

  #notOpened(request: ProbeRequest, outcome: string): OpError {
    const { protocol, from, to, port } = request;
    return new OpError(`no ${protocol} connection from ${from.address} to ${to} port ${port ?? "-"}: ${outcome}`, {
      code: "kernel-refused",
      facts: { protocol, from: from.address, to, port, outcome },
    });
  }

  async #openSocket(request: ProbeRequest): Promise<number> {
    if (request.protocol === "sctp") throw this.#notOpened(request, "SCTP flows are probed only, not kept");
    const { fd, failed } = this.#connect(request);
    if (failed !== 0) {
      libc().close(fd);
      throw this.#notOpened(request, errnoName(failed));
    }
    if (request.protocol === "udp") return fd;
    const outcome = await new Promise<ProbeResult>((resolve) => {
      const timer = setTimeout(() => {
        this.#poller.remove(fd);
        resolve(result("silent"));
      }, request.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      this.#poller.add(fd, EPOLLOUT, () => {
        clearTimeout(timer);
        this.#poller.remove(fd);
        resolve(this.#tcpOutcome(fd));
      });
    });
    if (outcome.outcome === "open") return fd;
    libc().close(fd);
    throw this.#notOpened(request, outcome.outcome);
  }

  #connectionReady(connection: Connection): void {
    const { fd } = connection;
    const length = libc().recv(fd, scratch, scratch.length, MSG_DONTWAIT);
    if (length > 0) {
      connection.waiting?.(true);
      return;
    }
    while (queuedError(fd)) {
      // Emptied, or epoll would report it for ever.
    }
    if (connection.request.protocol === "tcp") {
      connection.dead = true;
      this.#poller.remove(fd);
    }
    connection.waiting?.(false);
  }

  /**
   * Sends a byte over the flow and waits for it to come back.
   * @returns whether the flow still carries packets both ways
   */
  async checkConnection(handle: ConnectionHandle, timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<boolean> {
    const connection = this.#connections.get(handle);
    if (!connection || connection.dead) return false;
    return new Promise<boolean>((resolve) => {
      let number = 0;
      const done = (alive: boolean): void => {
        clearTimeout(timer);
        connection.waiting = undefined;
        this.#echoes.delete(number);
        resolve(alive);
      };
      const timer = setTimeout(() => {
        // What has arrived while this thread was busy counts.
        connection.waiting = connection.waiting && done;
        this.#poller.drain();
        done(false);
      }, timeoutMs);
      connection.waiting = done;
      if (connection.fd >= 0) {
        if (libc().send(connection.fd, PAYLOAD, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) done(false);
        return;
      }
      number = 0x80000000 + ((this.#number = (this.#number + 1) & 0x7fffffff) >>> 0);
      this.#echoes.set(number, done);
      if (this.#sendIcmp(connection.request, connection.id, connection.sequence++, number) !== 0) done(false);
    });
  }

  /** Closes a flow with a reset. */
  closeConnection(handle: ConnectionHandle): void {
    const connection = this.#connections.get(handle);
    this.#connections.delete(handle);
    if (!connection || connection.fd < 0) return;
    if (connection.request.protocol === "tcp") resetOnClose(connection.fd);
    this.#poller.close(connection.fd);
  }

  /** Every probe in flight ends silent. */
  closeAll(): void {
    this.#queue.length = 0;
    this.#queueHead = 0;
    for (const flight of [...this.#flights]) flight.finish(result("silent", "closed"));
    for (const handle of [...this.#connections.keys()]) this.closeConnection(handle);
    this.raw.closeAll();
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const scratch: Buffer = Buffer.allocUnsafeSlow(65_536);
