/** @module Flows that stay open: for what policy changes do to connections that are established. */
import { OpError } from "../base/errors.ts";
import { EPOLLIN, EPOLLOUT, MSG_DONTWAIT, MSG_NOSIGNAL } from "./constants.ts";
import { errnoName, libc } from "./libc.ts";
import type { Poller } from "./poller.ts";
import type { ProbeRequest, ProbeResult } from "./probe.ts";
import { DEFAULT_TIMEOUT_MS, result } from "./probe.ts";
import type { ProbeSockets } from "./probe-sockets.ts";
import { icmpProbe, PAYLOAD, SCRATCH, tcpOutcome } from "./probe-sockets.ts";
import type { RawSockets } from "./raw-sockets.ts";
import { queuedError, resetOnClose } from "./sockets.ts";

interface Connection {
  readonly request: ProbeRequest;
  readonly fd: number;
  /** ICMP: the flow's identifier and the next sequence number. */
  id: number;
  sequence: number;
  dead: boolean;
  waiting: ((alive: boolean) => void) | undefined;
}

/** An open flow; give it to {@link Flows.check}. */
export interface ConnectionHandle {
  readonly request: ProbeRequest;
}

export class Flows {
  readonly #poller: Poller;
  readonly #sockets: ProbeSockets;
  readonly #raw: RawSockets;
  readonly #connections = new Map<ConnectionHandle, Connection>();
  readonly #echoes = new Map<number, (alive: boolean) => void>();

  constructor(poller: Poller, sockets: ProbeSockets, raw: RawSockets) {
    this.#poller = poller;
    this.#sockets = sockets;
    this.#raw = raw;
  }

  /** An echo reply with this number has come. */
  echoed(number: number): void {
    this.#echoes.get(number)?.(true);
  }

  /**
   * Opens a flow and keeps it.
   * @throws OpError `kernel-refused` when it does not open
   */
  async open(request: ProbeRequest): Promise<ConnectionHandle> {
    const connection: Connection = {
      request,
      fd: request.protocol === "icmp" ? -1 : await this.#openSocket(request),
      id: this.#sockets.nextNumber() & 0xffff,
      sequence: 0x8000,
      dead: false,
      waiting: undefined,
    };
    const handle: ConnectionHandle = { request };
    this.#connections.set(handle, connection);
    if (connection.fd >= 0) this.#poller.add(connection.fd, EPOLLIN, () => this.#connectionReady(connection));
    if (request.protocol !== "tcp" && !(await this.check(handle))) {
      this.close(handle);
      throw this.#notOpened(request, "silent");
    }
    return handle;
  }

  #notOpened(request: ProbeRequest, outcome: string): OpError {
    const { protocol, from, to, port } = request;
    return new OpError(
      `no ${protocol} connection from ${from.address} to ${to} port ${port ?? "-"}: ${outcome}`,
      {
        code: "kernel-refused",
        facts: { protocol, from: from.address, to, port, outcome },
      },
    );
  }

  async #openSocket(request: ProbeRequest): Promise<number> {
    if (request.protocol === "sctp") throw this.#notOpened(request, "SCTP flows are probed only, not kept");
    const { fd, failed } = this.#sockets.connect(request);
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
        resolve(tcpOutcome(fd));
      });
    });
    if (outcome.outcome === "open") return fd;
    libc().close(fd);
    throw this.#notOpened(request, outcome.outcome);
  }

  #connectionReady(connection: Connection): void {
    const { fd } = connection;
    const length = libc().recv(fd, SCRATCH, SCRATCH.length, MSG_DONTWAIT);
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
  async check(handle: ConnectionHandle, timeoutMs: number = DEFAULT_TIMEOUT_MS): Promise<boolean> {
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
        this.#poller.drain();
        done(false);
      }, timeoutMs);
      connection.waiting = done;
      if (connection.fd >= 0) {
        if (libc().send(connection.fd, PAYLOAD, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) done(false);
        return;
      }
      // Above the numbers of probes.
      number = 0x80000000 + this.#sockets.nextNumber();
      this.#echoes.set(number, done);
      const { from, to } = connection.request;
      const bytes = icmpProbe(connection.request, {
        id: connection.id,
        sequence: connection.sequence++,
        number,
      });
      if (this.#raw.send(from.namespace, "icmp", { from: from.address, to, bytes }) !== 0) done(false);
    });
  }

  /** Closes a flow with a reset. */
  close(handle: ConnectionHandle): void {
    const connection = this.#connections.get(handle);
    this.#connections.delete(handle);
    if (!connection || connection.fd < 0) return;
    if (connection.request.protocol === "tcp") resetOnClose(connection.fd);
    this.#poller.close(connection.fd);
  }

  closeAll(): void {
    for (const handle of [...this.#connections.keys()]) this.close(handle);
  }
}
