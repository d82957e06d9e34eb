/** @module The DNS server of a cluster: follows the API, answers on port 53, tells on 8181 when it is ready. */
import { createSocket } from "node:dgram";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../client/client.ts";
import { Informer } from "../client/informer.ts";
import { ENDPOINT_SLICES, NAMESPACES, SERVICES } from "../client/kinds.ts";
import { answer } from "./answer.ts";
import { Zone } from "./zone.ts";

const DNS_PORT = 53;
const READY_PORT = 8181;
/** Less than a probe's default timeout. */
const PATIENCE_MS = 700;
const IDLE_MS = 10_000;

/** @throws Error when it cannot listen */
export async function serveDns(client: Client, log: (line: string) => void): Promise<void> {
  const zone = new Zone();
  const onError = (error: unknown): void => log(error instanceof Error ? error.message : String(error));
  const informers = [
    new Informer(client, NAMESPACES, { onError }).on({
      changed: ({ metadata }) => zone.setNamespace(metadata.name),
      deleted: ({ metadata }) => zone.removeNamespace(metadata.name),
    }),
    new Informer(client, SERVICES, { onError }).on({
      changed: (service) => zone.setService(service),
      deleted: (service) => zone.removeService(service),
    }),
    new Informer(client, ENDPOINT_SLICES, { onError }).on({
      changed: (slice) => zone.setSlice(slice),
      deleted: (slice) => zone.removeSlice(slice),
    }),
  ];
  for (const informer of informers) informer.start();
  const serving = Promise.all(informers.map(({ ready }) => ready)).then(() =>
    Promise.all([serveUdp(zone), serveTcp(zone)]),
  );
  let isServing = false;
  const readiness = createHttpServer((_request, response) => {
    // Who asks while we begin is told a moment later, and not to come back after a whole period.
    void Promise.race([serving.catch(() => undefined), sleep(PATIENCE_MS)]).then(() => {
      const isReady = isServing && informers.every((informer) => informer.isReady);
      response.writeHead(isReady ? 200 : 503, { "content-type": "text/plain" }).end(isReady ? "OK" : "");
    });
  });
  readiness.listen(READY_PORT);
  await serving;
  isServing = true;
  log(`answering for ${zone.domain}`);
}

/** A message that cannot be answered in DNS's own words ends nothing but itself. */
function answerOf(zone: Zone, message: Buffer, limit: "udp" | "tcp"): Buffer | undefined {
  try {
    return answer(zone, message, limit);
  } catch {
    return undefined;
  }
}

function serveUdp(zone: Zone): Promise<void> {
  // One socket for both families.
  const socket = createSocket({ type: "udp6", ipv6Only: false });
  socket.on("message", (message, from) => {
    const bytes = answerOf(zone, message, "udp");
    if (bytes) socket.send(bytes, from.port, from.address);
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(DNS_PORT, "::", () => {
      socket.removeListener("error", reject);
      // A reply that cannot be sent is lost, as datagrams are.
      socket.on("error", () => undefined);
      resolve();
    });
  });
}

function serveTcp(zone: Zone): Promise<void> {
  const server = createServer((socket) => {
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    readMessages(socket, (message) => {
      const bytes = answerOf(zone, message, "tcp");
      if (!bytes) {
        socket.destroy();
        return;
      }
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      socket.write(Buffer.concat([length, bytes]));
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(DNS_PORT, "::", resolve);
  });
}

/** Over TCP each message has its length before it (RFC 1035 §4.2.2). */
function readMessages(socket: Socket, take: (message: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      take(pending.subarray(2, end));
      pending = pending.subarray(end);
    }
  });
}
