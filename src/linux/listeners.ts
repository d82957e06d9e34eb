/**
 * @module One process listens in all pods: a listening socket costs 5 kB and no process. The kernel completes TCP
 * handshakes; what arrives is sent back, so that an established connection can be tried again later.
 */

import { OpError } from "../base/errors.ts";
import {
  EPOLLERR,
  EPOLLHUP,
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
} from "./constants.ts";
import { errno, errnoName, libc } from "./libc.ts";
import type { Netns } from "./netns.ts";
import { inNamespace } from "./netns.ts";
import type { Poller } from "./poller.ts";
import type { RawSockets } from "./raw-sockets.ts";
import { bothFamilies, ipOf, openSocket, resetOnClose, socketAddress } from "./sockets.ts";

export type PortProtocol = "tcp" | "udp" | "sctp";

export interface ListenPort {
  readonly protocol: PortProtocol;
  readonly port: number;
}

/** Who listens: a namespace, and the addresses it listens on; none: all of them. */
export interface ListenPlace {
  readonly namespace: Netns;
  readonly addresses: readonly string[];
  /** Listen on exactly these addresses: for a namespace that is many hosts, as the outside is. */
  readonly exact: boolean;
}

const BACKLOG = 4096;
const buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
const fromAddress: Buffer = Buffer.alloc(28);
const fromLength: Int32Array = new Int32Array([28]);
const ONE: Buffer = Buffer.from([1, 0, 0, 0]);

/**
 * A TCP socket that listens on all addresses of a namespace, for another process to accept from: nobody here does.
 * @returns its file descriptor. @throws OpError `kernel-refused`
 */
export function listeningSocket(ns: Netns, port: number): number {
  return inNamespace(ns, () => listenOn("tcp", "::", port));
}

function listenOn(protocol: "tcp" | "udp", address: string, port: number): number {
  const ip = ipOf(address);
  const [type, number] = protocol === "tcp" ? [SOCK_STREAM, IPPROTO_TCP] : [SOCK_DGRAM, IPPROTO_UDP];
  const fd = openSocket(ip.family, type, number);
  if (ip.family === 6) bothFamilies(fd);
  if (protocol === "tcp") libc().setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ONE, 4);
  const bytes = socketAddress(ip, port);
  const bound = libc().bind(fd, bytes, bytes.length);
  if (bound < 0 || (protocol === "tcp" && libc().listen(fd, BACKLOG) < 0)) {
    const name = errnoName(errno());
    libc().close(fd);
    throw new OpError(`cannot listen on ${protocol} port ${port} of ${address}: ${name}`, {
      code: "kernel-refused",
      facts: { protocol, port, address, errno: name },
    });
  }
  return fd;
}

export class Listeners {
  readonly #poller: Poller;
  readonly #raw: RawSockets;
  /** Sockets of a namespace by what they listen on; accepted ones by their number. */
  readonly #sockets = new Map<Netns, Map<string, number>>();

  constructor(poller: Poller, raw: RawSockets) {
    this.#poller = poller;
    this.#raw = raw;
  }

  /** Listens; a port that is listened on already stays as it is. @throws OpError `kernel-refused` */
  listen(place: ListenPlace, ports: readonly ListenPort[]): void {
    const { namespace } = place;
    const sockets = this.#sockets.get(namespace) ?? new Map<string, number>();
    this.#sockets.set(namespace, sockets);
    for (const { protocol, port } of ports) {
      if (protocol === "sctp") {
        this.#raw.listenSctp(namespace, place.addresses, port);
        continue;
      }
      for (const address of place.exact ? place.addresses : ["::"]) {
        const name = `${protocol} ${address} ${port}`;
        if (sockets.has(name)) continue;
        const fd = inNamespace(namespace, () => listenOn(protocol, address, port));
        sockets.set(name, fd);
        this.#poller.add(
          fd,
          EPOLLIN,
          protocol === "tcp" ? () => this.#accept(namespace, fd) : () => this.#echo(fd),
        );
      }
    }
  }

  #accept(namespace: Netns, listener: number): void {
    for (let count = 0; count < 256; count++) {
      const fd = libc().accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      this.#sockets.get(namespace)?.set(String(fd), fd);
      this.#poller.add(fd, EPOLLIN, (events) => this.#serve(namespace, fd, events));
    }
  }

  #serve(namespace: Netns, fd: number, events: number): void {
    const length = libc().recv(fd, buffer, buffer.length, MSG_DONTWAIT);
    if (length > 0) {
      libc().send(fd, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
      return;
    }
    if (length === 0 || (events & (EPOLLERR | EPOLLHUP)) !== 0) {
      this.#sockets.get(namespace)?.delete(String(fd));
      resetOnClose(fd);
      this.#poller.close(fd);
    }
  }

  #echo(fd: number): void {
    for (let count = 0; count < 256; count++) {
      fromLength[0] = 28;
      const length = libc().recvfrom(fd, buffer, buffer.length, MSG_DONTWAIT, fromAddress, fromLength);
      if (length < 0) return;
      libc().sendto(fd, buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL, fromAddress, fromLength[0]);
    }
  }

  /** Stops listening on some ports. */
  stop(place: ListenPlace, ports: readonly ListenPort[]): void {
    const sockets = this.#sockets.get(place.namespace);
    for (const { protocol, port } of ports) {
      for (const address of place.exact ? place.addresses : ["::"]) {
        const name = `${protocol} ${address} ${port}`;
        const fd = sockets?.get(name);
        if (fd === undefined) continue;
        sockets?.delete(name);
        this.#poller.close(fd);
      }
    }
  }

  closeNamespace(ns: Netns): void {
    for (const fd of this.#sockets.get(ns)?.values() ?? []) this.#poller.close(fd);
    this.#sockets.delete(ns);
  }

  closeAll(): void {
    for (const ns of [...this.#sockets.keys()]) this.closeNamespace(ns);
  }
}
