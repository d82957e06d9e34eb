/** @module What no client of a server says: garbage and absurd lengths to the stand-ins, connections without a name to the API. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../random.ts";
import { type Disturbance, eventually } from "./disturbance.ts";
import { oneOf, SERVERS } from "./setting.ts";
import { sendTo } from "./streams.ts";

function noise(random: Random): Buffer {
  return Buffer.from(Array.from({ length: random.between(1, 4096) }, () => random.below(256)));
}

/** Lengths that no server should believe, in each protocol's own way. */
const ABSURD: Readonly<Record<keyof typeof SERVERS, readonly Buffer[]>> = {
  nginx: [
    Buffer.from("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
    Buffer.from("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n"),
    Buffer.from(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(20_000)}`),
  ],
  redis: [
    Buffer.from("*99999999\r\n$-7\r\n"),
    Buffer.from("*1\r\n$9999999999\r\n"),
    Buffer.from("*-1\r\n".repeat(1000)),
  ],
  mysql: [Buffer.from([0xff, 0xff, 0xff, 0x00, 0xff]), Buffer.from([0, 0, 0, 1, 0, 0, 0, 2])],
  postgres: [
    Buffer.from([0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0, 0, 0, 0]),
    Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0]),
  ],
  mongo: [
    Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]),
    Buffer.from([0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]),
  ],
  memcached: [
    Buffer.from("set k 0 0 99999999999\r\n"),
    Buffer.from("set k 0 0 -7\r\n"),
    Buffer.from(`get ${"k ".repeat(10_000)}\r\n`),
  ],
};

const GARBAGE: readonly Disturbance[] = (Object.keys(SERVERS) as (keyof typeof SERVERS)[]).map((image) => ({
  what: `garbage to ${image}`,
  async run(scene, random) {
    const address = (await oneOf(scene, image)).status?.podIP ?? "";
    const bytes = random.chance(0.3) ? noise(random) : random.pick(ABSURD[image]);
    await sendTo(scene, address, SERVERS[image], bytes);
    // The process that all of them are in goes on, or is there again.
    const redis = (await oneOf(scene, "redis")).status?.podIP ?? "";
    await eventually("redis answers", async () => {
      const answer = await sendTo(scene, redis, SERVERS.redis, Buffer.from("PING\r\n"));
      return answer.includes("+PONG") || undefined;
    });
  },
}));

const CONNECTIONS = 600;

const FLOOD: Disturbance = {
  what: "floods of connections without a token",
  async run(scene, random) {
    const sockets: Socket[] = [];
    try {
      for (let opened = 0; opened < CONNECTIONS; opened++) {
        const socket = connect(scene.apiPort, "127.0.0.1");
        socket.on("error", () => socket.destroy());
        if (random.chance(0.3)) socket.write(random.chance(0.5) ? noise(random) : "GET / HTTP/1.1\r\n");
        sockets.push(socket);
        if (opened % 50 === 0) await sleep(5);
      }
      await sleep(random.below(1000));
      const { status, stderr } = await scene.cluster.kubectl("get", "namespace", "default");
      if (status !== 0) throw new Error(`kept out by connections without a token: ${stderr}`);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  },
};

export const HOSTILE_BYTES: readonly Disturbance[] = [...GARBAGE, FLOOD];
