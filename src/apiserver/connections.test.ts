import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { Connections, wayOf } from "./connections.ts";

class FakeSocket extends EventEmitter {
  readonly localAddress = "127.0.0.1";
  readonly localPort = 6443;
  readonly remoteAddress: string;
  readonly remotePort: number;
  isClosed = false;

  constructor(remoteAddress: string, remotePort: number) {
    super();
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  destroy(): void {
    this.isClosed = true;
    this.emit("close");
  }

  get socket(): Socket {
    return this as unknown as Socket;
  }
}

const ALICE = 1000;
const MALLORY = 1001;

/** Users by their ports: those of Mallory begin at 20000. */
function kernel(sockets: readonly FakeSocket[]): () => ReadonlyMap<string, number> {
  return () =>
    new Map(
      sockets.map(({ remoteAddress, remotePort, localAddress, localPort }) => [
        wayOf(remoteAddress, remotePort, localAddress, localPort),
        remotePort < 20_000 ? ALICE : MALLORY,
      ]),
    );
}

test("whoever has the most connections without a name loses the oldest of them, and nobody else any", () => {
  const all: FakeSocket[] = [];
  let asked = 0;
  const find = kernel(all);
  const connections = new Connections({
    limit: 256,
    findOwners: () => {
      asked++;
      return find();
    },
  });
  const open = (port: number, address = "127.0.0.1"): FakeSocket => {
    const one = new FakeSocket(address, port);
    all.push(one);
    connections.add(one.socket);
    return one;
  };
  const alice = [open(10_000), open(10_001)];
  const pod = open(40_000, "10.244.0.5");
  const mallory = Array.from({ length: 5000 }, (_, index) => open(20_000 + index));
  alice.push(open(10_002));
  expect([...alice, pod].filter(({ isClosed }) => isClosed)).toEqual([]);
  expect(connections.unknown).toBe(256);
  const left = mallory.filter(({ isClosed }) => !isClosed);
  expect(left).toEqual(mallory.slice(-left.length));
  expect(left).toHaveLength(252);
  // A look at the kernel's table is for many of them.
  expect(asked).toBeLessThan(60);
});

test("a connection on which somebody has said who they are is not closed for others", () => {
  const connections = new Connections({ limit: 10 });
  const known = Array.from({ length: 100 }, (_, index) => {
    const one = new FakeSocket("127.0.0.1", index + 1);
    connections.add(one.socket);
    // TLS's socket is another object with the same ends.
    connections.authenticated(new FakeSocket("127.0.0.1", index + 1).socket);
    return one;
  });
  for (let port = 1000; port < 2000; port++) connections.add(new FakeSocket("127.0.0.1", port).socket);
  expect(known.filter(({ isClosed }) => isClosed)).toEqual([]);
  expect(connections.unknown).toBe(10);
});

test("a connection that has closed counts no more, and its ends may be another's", () => {
  const connections = new Connections({ limit: 10 });
  for (let round = 0; round < 50; round++) {
    const one = new FakeSocket("127.0.0.1", 1);
    connections.add(one.socket);
    expect(connections.unknown).toBe(1);
    one.destroy();
    expect(connections.unknown).toBe(0);
  }
});
