/**
 * @module A container without a process: sockets in the pod's network namespace, answered by this process. An idle one
 * is a few open files and this object: nothing else is made before somebody connects.
 */
import { Socket } from "node:net";
import { formatIp } from "../../base/ip.ts";
import {
  EPOLLIN,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../linux/constants.ts";
import { errno, errnoName, libc } from "../../linux/libc.ts";
import type { Netns } from "../../linux/netns.ts";
import { inNamespace } from "../../linux/netns.ts";
import type { Poller } from "../../linux/poller.ts";
import { bothFamilies, ipOf, openSocket, parseSocketAddress, socketAddress } from "../../linux/sockets.ts";
import type { ServedPort } from "./image.ts";
import { datagramAnswer } from "./servers/agnhost.ts";
import type { ServerContext } from "./servers/context.ts";
import { serveTcp } from "./servers/tcp.ts";

const BACKLOG = 511;
const ONE: Buffer = Buffer.from([1, 0, 0, 0]);
const buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
const fromAddress: Buffer = Buffer.alloc(28);
const fromLength: Int32Array = new Int32Array([28]);

/** A port that somebody else in the pod has. */
export interface PortProblem {
  readonly port: ServedPort;
  readonly errno: string;
}

export class StandIn {
  readonly #poller: Poller;
  readonly #netns: Netns;
  readonly #context: ServerContext;
  readonly #listening = new Map<string, number>();
  readonly #connections = new Set<Socket>();

  constructor(poller: Poller, netns: Netns, context: ServerContext) {
    this.#poller = poller;
    this.#netns = netns;
    this.#context = context;
  }

  /** @returns the ports that could not be had; the others are listened on */
  listen(ports: readonly ServedPort[]): readonly PortProblem[] {
    // No SCTP: kernels often have none, and nobody sends it but by raw socket (see `linux/raw-sockets.ts`).
    const wanted = ports.filter((port) => port.protocol !== "SCTP");
    return inNamespace(this.#netns, () =>
      wanted.flatMap((port) => {
        const problem = this.#open(port);
        return problem === undefined ? [] : [{ port, errno: problem }];
      }),
    );
  }

  #open(port: ServedPort): string | undefined {
    const key = `${port.protocol} ${port.port}`;
    if (this.#listening.has(key)) return undefined;
    const tcp = port.protocol === "TCP";
    const fd = openSocket(6, tcp ? SOCK_STREAM : SOCK_DGRAM, tcp ? IPPROTO_TCP : IPPROTO_UDP);
    bothFamilies(fd);
    if (tcp) libc().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
    const address = socketAddress(ipOf("::"), port.port);
    const bound = libc().bind(fd, address, address.length);
    if (bound < 0 || (tcp && libc().listen(fd, BACKLOG) < 0)) {
      const name = errnoName(errno());
      libc().close(fd);
      return name;
    }
    this.#listening.set(key, fd);
    this.#poller.add(fd, EPOLLIN, tcp ? () => this.#accept(fd, port) : () => this.#answer(fd, port));
    return undefined;
  }

  #accept(listener: number, port: ServedPort): void {
    for (let count = 0; count < 256; count++) {
      const fd = libc().accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const socket = new Socket({ fd, readable: true, writable: true });
      this.#connections.add(socket);
      socket.once("close", () => this.#connections.delete(socket));
      // Clients go away as they please.
      socket.on("error", () => socket.destroy());
      serveTcp(socket, { context: this.#context, port });
    }
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
    for (const fd of this.#listening.values()) this.#poller.close(fd);
    this.#listening.clear();
    for (const socket of this.#connections) socket.destroy();
    this.#connections.clear();
  }
}
