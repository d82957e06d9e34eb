/** @module Sockets in a pod's network namespace, and connections from inside, made by this process. */
import { isIP, type Socket } from "node:net";
import { IPPROTO_TCP, IPPROTO_UDP, SOCK_DGRAM, SOCK_STREAM } from "../../linux/constants.ts";
import type { Netns } from "../../linux/netns.ts";
import { inNamespace } from "../../linux/netns.ts";
import { openSocket } from "../../linux/sockets.ts";
import { connectOn, type Target } from "../images/pod-connection.ts";
import type { SocketKind } from "../images/stand-in-messages.ts";

/** @returns its file descriptor, the caller's to close */
export function openSocketIn(ns: Netns, kind: SocketKind): number {
  const family = kind.endsWith("6") ? 6 : 4;
  const [type, protocol] = kind.startsWith("tcp") ? [SOCK_STREAM, IPPROTO_TCP] : [SOCK_DGRAM, IPPROTO_UDP];
  return inNamespace(ns, () => openSocket(family, type, protocol));
}

export async function connectFrom(ns: Netns, target: Target): Promise<Socket> {
  return connectOn(openSocketIn(ns, isIP(target.address) === 6 ? "tcp6" : "tcp4"), target);
}
