/** @module Connections from inside a pod's network namespace, made by this process. */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { isIP, Socket } from "node:net";
import { OpError } from "../../base/errors.ts";
import { IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM } from "../../linux/constants.ts";
import { checked, libc } from "../../linux/libc.ts";
import type { Netns } from "../../linux/netns.ts";
import { inNamespace } from "../../linux/netns.ts";
import { ipOf, openSocket, socketAddress } from "../../linux/sockets.ts";
import {
  dnsQuery,
  hostsEntry,
  parseDnsAnswer,
  parseResolvConf,
  RECORD_TYPES,
  searchNames,
} from "../images/dns.ts";

export interface Target {
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

const DNS_TIMEOUT_MS = 2_000;

/** The socket belongs to the namespace that it is opened in; it is connected from anywhere. */
export async function connectFrom(ns: Netns, target: Target): Promise<Socket> {
  const family = isIP(target.address) === 6 ? 6 : 4;
  const fd = inNamespace(ns, () => openSocket(family, SOCK_STREAM, IPPROTO_TCP));
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
export async function askFrom(ns: Netns, target: Target, message: Buffer): Promise<Buffer> {
  const family = isIP(target.address) === 6 ? 6 : 4;
  const fd = inNamespace(ns, () => openSocket(family, SOCK_DGRAM, IPPROTO_UDP));
  const any = socketAddress(ipOf(family === 6 ? "::" : "0.0.0.0"), 0);
  checked(libc().bind(fd, any, any.length), "bind a datagram socket", "kernel-refused");
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
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

/** A name's address, by the container's own hosts file and resolv.conf. */
export async function resolveFrom(
  ns: Netns,
  etc: { readonly hosts: string; readonly resolvConf: string },
  name: string,
): Promise<string> {
  if (isIP(name) !== 0) return name;
  const known = hostsEntry(readFileSync(etc.hosts, "utf8"), name);
  if (known !== undefined) return known;
  const resolver = parseResolvConf(readFileSync(etc.resolvConf, "utf8"));
  const server = resolver.servers[0];
  if (server !== undefined) {
    for (const full of searchNames(name, resolver)) {
      const id = Math.floor(Math.random() * 65_536);
      const target = { address: server, port: 53, timeoutMs: DNS_TIMEOUT_MS };
      const answer = parseDnsAnswer(await askFrom(ns, target, dnsQuery(id, full, "A")), id);
      const record = answer?.records.find((one) => one.type === RECORD_TYPES.A);
      if (record) return record.data;
    }
  }
  throw new OpError(`no such host: ${name}`, { code: "not-found", facts: { name } });
}
