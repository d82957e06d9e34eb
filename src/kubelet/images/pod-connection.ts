/** @module Connections on sockets that belong to a pod's network namespace, whoever has opened them. */
import { createSocket } from "node:dgram";
import { isIP, Socket } from "node:net";
import { OpError } from "../../base/errors.ts";
import { checked, libc } from "../../linux/libc.ts";
import { ipOf, socketAddress } from "../../linux/sockets.ts";
import { dnsQuery, hostsEntry, parseDnsAnswer, parseResolvConf, RECORD_TYPES, searchNames } from "./dns.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

const DNS_TIMEOUT_MS = 2_000;

/** Connects; a socket belongs to the namespace that it was opened in, and is connected from anywhere. */
export function connectOn(fd: number, target: Target): Promise<Socket> {
  const socket = new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error("connection timed out")), target.timeoutMs);
    const failed = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once("error", failed);
    socket.connect(target.port, target.address, () => {
      clearTimeout(timer);
      socket.off("error", failed);
      resolve(socket);
    });
  });
}

/** Sends a datagram and resolves with the first answer. */
export function askOn(fd: number, target: Target, message: Buffer): Promise<Buffer> {
  const isSix = isIP(target.address) === 6;
  const any = socketAddress(ipOf(isSix ? "::" : "0.0.0.0"), 0);
  checked(libc().bind(fd, any, any.length), "bind a datagram socket", "kernel-refused");
  const socket = createSocket(isSix ? "udp6" : "udp4");
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("i/o timeout")), target.timeoutMs);
    socket.once("message", (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.bind({ fd }, () => socket.send(message, target.port, target.address));
  }).finally(() => socket.close());
}

export interface Resolving {
  readonly read: (file: "hosts" | "resolv.conf") => Promise<string>;
  readonly ask: (target: Target, message: Buffer) => Promise<Buffer>;
}

/** A name's address, by the container's own hosts file and resolv.conf. @throws OpError `not-found` */
export async function resolveName(name: string, { read, ask }: Resolving): Promise<string> {
  if (isIP(name) !== 0) return name;
  const known = hostsEntry(await read("hosts"), name);
  if (known !== undefined) return known;
  const resolver = parseResolvConf(await read("resolv.conf"));
  const server = resolver.servers[0];
  if (server !== undefined) {
    for (const full of searchNames(name, resolver)) {
      const id = Math.floor(Math.random() * 65_536);
      const target = { address: server, port: 53, timeoutMs: DNS_TIMEOUT_MS };
      const answer = parseDnsAnswer(await ask(target, dnsQuery(id, full, "A")), id);
      const record = answer?.records.find((one) => one.type === RECORD_TYPES.A);
      if (record) return record.data;
    }
  }
  throw new OpError(`no such host: ${name}`, { code: "not-found", facts: { name } });
}
