/**
 * @module One epoll for all sockets that libc gave us. libuv watches the epoll's own file descriptor, so idle sockets
 * cost nothing and nothing is polled by time.
 */
import { OpError } from "../base/errors.ts";
import { EINTR, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD } from "./constants.ts";
import { checked, errno, errnoName, koffiModule, libc } from "./libc.ts";

/** @param events - EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
export type SocketHandler = (events: number) => void;

const BATCH = 256;
/** `struct epoll_event` is packed on x86-64 only (linux/eventpoll.h, EPOLL_PACKED). */
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const DATA_OFFSET = EVENT_SIZE - 8;
/** Rounds of {@link BATCH} before other JavaScript gets its turn. */
const ROUNDS = 16;

export class Poller {
  readonly #epoll: number;
  readonly #handlers = new Map<number, SocketHandler>();
  readonly #events = Buffer.alloc(BATCH * EVENT_SIZE);
  readonly #event = Buffer.alloc(EVENT_SIZE);
  readonly #watch: { close(): void; unref(): void };

  constructor() {
    this.#epoll = checked(libc().epoll_create1(0o2000000), "create an epoll", "kernel-refused");
    this.#watch = koffiModule().node.poll(this.#epoll, { readable: true }, () => this.drain());
    // Listening alone keeps no process alive; a probe's timer does.
    this.#watch.unref();
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event.writeUInt32LE(events, 0);
    this.#event.writeInt32LE(fd, DATA_OFFSET);
    checked(libc().epoll_ctl(this.#epoll, operation, fd, this.#event), "watch a socket", "kernel-refused");
  }

  add(fd: number, events: number, handler: SocketHandler): void {
    this.#handlers.set(fd, handler);
    this.#control(EPOLL_CTL_ADD, fd, events);
  }

  change(fd: number, events: number): void {
    this.#control(EPOLL_CTL_MOD, fd, events);
  }

  /** Before the file is closed: its number is given out again at once. */
  remove(fd: number): void {
    if (this.#handlers.delete(fd)) this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Stops watching and closes. */
  close(fd: number): void {
    this.remove(fd);
    libc().close(fd);
  }

  /** Handles what is ready now. @returns whether anything was */
  drain(): boolean {
    let some = false;
    for (let round = 0; round < ROUNDS; round++) {
      const count = libc().epoll_wait(this.#epoll, this.#events, BATCH, 0);
      if (count < 0) {
        const number = errno();
        if (number === EINTR) continue;
        throw new OpError(`cannot wait for sockets: ${errnoName(number)}`, { code: "kernel-refused" });
      }
      for (let index = 0; index < count; index++) {
        const at = index * EVENT_SIZE;
        const handler = this.#handlers.get(this.#events.readInt32LE(at + DATA_OFFSET));
        handler?.(this.#events.readUInt32LE(at));
      }
      some ||= count > 0;
      if (count < BATCH) break;
    }
    return some;
  }

  /** The sockets themselves are their owners' to close. */
  closeAll(): void {
    this.#watch.close();
    this.#handlers.clear();
    libc().close(this.#epoll);
  }
}
