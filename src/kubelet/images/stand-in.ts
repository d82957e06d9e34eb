/**
 * @module A container without a process: sockets in the pod's network namespace, which the machine has opened, answered
 * here. An idle one is a few open files and this object: nothing else is made before somebody connects.
 */
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { formatIp } from "../../base/ip.ts";
import { EPOLLIN, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_NONBLOCK } from "../../linux/constants.ts";
import { errno, errnoName, libc } from "../../linux/libc.ts";
import type { Poller } from "../../linux/poller.ts";
import { parseSocketAddress } from "../../linux/sockets.ts";
import type { ServedPort } from "./image.ts";
import { datagramAnswer } from "./servers/agnhost.ts";
import type { ServerContext } from "./servers/context.ts";
import { serveTcp } from "./servers/tcp.ts";

const buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
const fromAddress: Buffer = Buffer.alloc(28);
const fromLength: Int32Array = new Int32Array([28]);

/** Of all stand-ins together: whoever opens more has the oldest closed. */
const MOST_CONNECTIONS = 8192;
/** Oldest first. */
const connections: Set<Socket> = new Set();

function makeRoom(): boolean {
  const [oldest] = connections;
  oldest?.destroy();
  if (oldest) connections.delete(oldest);
  return oldest !== undefined;
}

export class StandIn {
  readonly #poller: Poller;
  readonly #context: ServerContext;
  readonly #listening: number[] = [];
  readonly #connections = new Set<Socket>();

  constructor(poller: Poller, context: ServerContext) {
    this.#poller = poller;
    this.#context = context;
  }

  /** @param descriptor - a socket that listens, or for datagrams; ours from now on */
  add(port: ServedPort, descriptor: number): void {
    this.#listening.push(descriptor);
    const isTcp = port.protocol === "TCP";
    this.#poller.add(descriptor, EPOLLIN, () =>
      isTcp ? this.#accept(descriptor, port) : this.#answer(descriptor, port),
    );
  }

  #accept(listener: number, port: ServedPort): void {
    for (let count = 0; count < 256; count++) {
      const fd = libc().accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        // The listener stays ready: without room we would be asked again and again.
        const name = errnoName(errno());
        if ((name === "EMFILE" || name === "ENFILE") && makeRoom()) continue;
        return;
      }
      if (connections.size >= MOST_CONNECTIONS) makeRoom();
      this.#serve(fd, port);
    }
  }

  #serve(fd: number, port: ServedPort): void {
    const socket = new Socket({ fd, readable: true, writable: true });
    this.#connections.add(socket);
    connections.add(socket);
    socket.once("close", () => {
      this.#connections.delete(socket);
      connections.delete(socket);
    });
    // Clients go away as they please.
    socket.on("error", () => socket.destroy());
    serveTcp(socket, { context: this.#context, port });
  }

  #answer(fd: number, port: ServedPort): void {
    for (let count = 0; count < 256; count++) {
      fromLength[0] = 28;
      const length = libc().recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT, fromAddress, fromLength);
      if (length < 0) return;
      const from = parseSocketAddress(fromAddress);
      if (!from) continue;
      const client = { address: formatIp(from.ip), port: from.port };
      const message = Buffer.from(buffer.subarray(0, length));
      const answer = datagramAnswer(message, client, { context: this.#context, port });
      libc().sendto(fd, answer, answer.length, MSG_DONTWAIT | MSG_NOSIGNAL, fromAddress, fromLength[0]);
    }
  }

  close(): void {
    for (const fd of this.#listening) {
      this.#poller.remove(fd);
      closeSync(fd);
    }
    this.#listening.length = 0;
    for (const socket of this.#connections) socket.destroy();
    this.#connections.clear();
  }
}
