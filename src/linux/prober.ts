/**
 * @module Tries connections with real packets, thousands in one process. What a probe proves: "open" and "refused" mean
 * that the packet arrived and an answer came back; "rejected" that something on the way said no; "silent" that nobody
 * said anything, as when a rule drops.
 */
import { EPOLLIN, EPOLLOUT, MSG_DONTWAIT, MSG_NOSIGNAL } from "./constants.ts";
import { Flows } from "./flows.ts";
import { errno, libc } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { parseIcmp, parseSctp, SCTP_ABORT, SCTP_INIT, SCTP_INIT_ACK, sctpPacket } from "./packets.ts";
import type { Poller } from "./poller.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { DEFAULT_TIMEOUT_MS, errorOf, refusalOf, result } from "./probe.ts";
import { icmpProbe, numberOf, PAYLOAD, ProbeSockets, portOf, SCRATCH, tcpOutcome } from "./probe-sockets.ts";
import type { RawListener, RawProtocol } from "./raw-sockets.ts";
import { RawSockets } from "./raw-sockets.ts";
import type { QueuedError } from "./sockets.ts";
import { queuedError, resetOnClose } from "./sockets.ts";

/** In flight at once; each has a file. The hard limit of files can be as low as 4,096. */
const CONCURRENCY = 1024;
const TICK_MS = 10;

const ICMP_ECHOREPLY = 0;
const ICMPV6_ECHO_REPLY = 129;

interface Flight {
  readonly request: ProbeRequest;
  readonly deadline: number;
  readonly finish: (outcome: ProbeResult) => void;
  /** Closes sockets and forgets keys. */
  clean: () => void;
}

export class Prober implements RawListener {
  readonly #poller: Poller;
  readonly #namespaceOf: (address: string) => Netns | undefined;
  readonly raw: RawSockets;
  readonly flows: Flows;
  readonly #sockets = new ProbeSockets();
  readonly #flights = new Set<Flight>();
  readonly #byNumber = new Map<number, Flight>();
  readonly #bySctp = new Map<string, Flight>();
  readonly #queue: (() => void)[] = [];
  #queueHead = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param namespaceOf - who owns an address, for probes whose arrival is observed */
  constructor(poller: Poller, namespaceOf: (address: string) => Netns | undefined) {
    this.#poller = poller;
    this.#namespaceOf = namespaceOf;
    this.raw = new RawSockets(poller, this);
    this.flows = new Flows(poller, this.#sockets, this.raw);
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

  #startSocket(flight: Flight): void {
    const { request } = flight;
    const { fd, failed } = this.#sockets.connect(request);
    flight.clean = () => {
      if (request.protocol === "tcp") resetOnClose(fd);
      this.#poller.close(fd);
    };
    if (failed !== 0) {
      flight.finish(refusalOf(failed));
      return;
    }
    if (request.protocol === "tcp") {
      this.#poller.add(fd, EPOLLOUT, () => flight.finish(tcpOutcome(fd)));
      return;
    }
    if (libc().send(fd, PAYLOAD, PAYLOAD.length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
      flight.finish(refusalOf(errno()));
      return;
    }
    this.#poller.add(fd, EPOLLIN, () => {
      const error = queuedError(fd);
      if (error) flight.finish(errorOf(error, request.to));
      else if (libc().recv(fd, SCRATCH, SCRATCH.length, MSG_DONTWAIT) >= 0) flight.finish(result("open"));
    });
  }

  #startIcmp(flight: Flight): void {
    const { request } = flight;
    const number = this.#sockets.nextNumber();
    this.#byNumber.set(number, flight);
    flight.clean = () => this.#byNumber.delete(number);
    if (request.icmp) {
      const target = this.#namespaceOf(request.to);
      if (target) this.raw.hear(target, "icmp", request.to);
    }
    const { from, to } = request;
    const bytes = icmpProbe(request, { id: number & 0xffff, sequence: number >>> 16, number });
    const failed = this.raw.send(from.namespace, "icmp", { from: from.address, to, bytes });
    if (failed !== 0) flight.finish(refusalOf(failed));
  }

  #startSctp(flight: Flight): void {
    const { request } = flight;
    const { namespace, address } = request.from;
    const sourcePort = this.#sockets.nextPort(namespace);
    const key = `${namespace.fd} ${sourcePort}`;
    this.#bySctp.set(key, flight);
    flight.clean = () => this.#bySctp.delete(key);
    // Somebody must answer in SCTP. The ICMP error of a kernel that knows none belongs to no connection where the packet
    // was not tracked, and a policy that lets the answer pass does not let that error pass.
    const target = this.#namespaceOf(request.to);
    if (target) this.raw.hear(target, "sctp", request.to);
    const bytes = sctpPacket({
      sourcePort,
      destinationPort: portOf(request),
      verificationTag: 0,
      chunk: SCTP_INIT,
      initiateTag: this.#sockets.nextNumber(),
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
    const number = message && numberOf(message.payload);
    if (!message || number === undefined) return;
    const reply = message.type === ICMP_ECHOREPLY || message.type === ICMPV6_ECHO_REPLY;
    if (reply) this.flows.echoed(number);
    const flight = this.#byNumber.get(number);
    if (!flight) return;
    const { icmp, to } = flight.request;
    if (
      !icmp ? reply : message.type === icmp.type && message.code === icmp.code && ns === this.#namespaceOf(to)
    ) {
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

  /** Every probe in flight ends silent. */
  closeAll(): void {
    this.#queue.length = 0;
    this.#queueHead = 0;
    for (const flight of [...this.#flights]) flight.finish(result("silent", "closed"));
    this.flows.closeAll();
    this.raw.closeAll();
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
