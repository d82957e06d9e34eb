/**
 * @module Connections on which nobody has said yet who they are: so many are kept, shared among those who open them.
 *
 * Whose a connection is, the kernel tells of clients on the machine's own loopback by their user; of others by their
 * address. When there are too many, whoever has the most loses their oldest. One that was authenticated is never closed.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** Of all doors together. A client needs one for as long as a handshake and its first request take. */
export const MOST_UNKNOWN = 256;

/** Users by {@link wayOf} of their connections, as they are now. */
export type FindOwners = () => ReadonlyMap<string, number>;

interface Connection {
  readonly socket: Socket;
  readonly way: string;
  /** `user 1000`, `address 10.244.0.5`, `socket`; undefined: not asked yet. */
  peer: string | undefined;
}

/** From a client's address and port to a server's. */
export function wayOf(client: string, clientPort: number, server: string, serverPort: number): string {
  return `${client}:${clientPort}>${server}:${serverPort}`;
}

function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address.startsWith("::ffff:127.");
}

/** A Unix socket's file is its user's alone. */
const UNIX = "socket";
/** On the loopback, and not to be found among the connections that the kernel tells of. */
const NOBODY = "user unknown";

export class Connections {
  readonly #findOwners: FindOwners | undefined;
  readonly #limit: number;
  /** Oldest first. */
  readonly #unknown = new Set<Connection>();
  readonly #bySocket = new WeakMap<Duplex, Connection>();
  /** TLS has a socket of its own over each; they have the way in common. */
  readonly #byWay = new Map<string, Connection>();

  constructor({
    findOwners,
    limit = MOST_UNKNOWN,
  }: { readonly findOwners?: FindOwners; readonly limit?: number } = {}) {
    this.#findOwners = findOwners;
    this.#limit = limit;
  }

  /** How many have not said who they are. */
  get unknown(): number {
    return this.#unknown.size;
  }

  add(socket: Socket): void {
    const { remoteAddress, remotePort, localAddress = "", localPort = 0 } = socket;
    const isTcp = remoteAddress !== undefined && remotePort !== undefined;
    const way = isTcp ? wayOf(remoteAddress, remotePort, localAddress, localPort) : "";
    const connection: Connection = { socket, way, peer: isTcp ? undefined : UNIX };
    if (isTcp && !isLoopback(remoteAddress)) connection.peer = `address ${remoteAddress}`;
    this.#unknown.add(connection);
    this.#bySocket.set(socket, connection);
    if (isTcp) this.#byWay.set(way, connection);
    socket.once("close", () => {
      this.#unknown.delete(connection);
      if (this.#byWay.get(way) === connection) this.#byWay.delete(way);
    });
    while (this.#unknown.size > this.#limit) this.#closeOne();
  }

  /** Someone has said on it who they are. */
  authenticated(socket: Socket): void {
    const { remoteAddress = "", remotePort = 0, localAddress = "", localPort = 0 } = socket;
    const connection =
      this.#bySocket.get(socket) ??
      this.#byWay.get(wayOf(remoteAddress, remotePort, localAddress, localPort));
    if (connection) this.#unknown.delete(connection);
  }

  #closeOne(): void {
    let most = this.#largest();
    if (most.some(({ peer }) => peer === undefined)) {
      this.#ask();
      most = this.#largest();
    }
    const [oldest] = most;
    if (!oldest) return;
    this.#unknown.delete(oldest);
    oldest.socket.destroy();
  }

  /** All of the one who has the most, oldest first. */
  #largest(): readonly Connection[] {
    const byPeer = new Map<string | undefined, Connection[]>();
    for (const connection of this.#unknown) {
      const own = byPeer.get(connection.peer);
      if (own) own.push(connection);
      else byPeer.set(connection.peer, [connection]);
    }
    let most: readonly Connection[] = [];
    for (const own of byPeer.values()) if (own.length > most.length) most = own;
    return most;
  }

  #ask(): void {
    const owners = this.#findOwners?.();
    for (const connection of this.#unknown) {
      if (connection.peer !== undefined) continue;
      const owner = owners?.get(connection.way);
      connection.peer = owner === undefined ? NOBODY : `user ${owner}`;
    }
  }
}
