/**
 * @module Logs, exec, attach and port-forward: handed on to the kubelet of the pod's node, which speaks the same
 * protocols. The API server only looks at who asks for what.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as send } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { endConnection } from "./end-connection.ts";
import { arrayAt, at, stringAt } from "./json.ts";
import { connectToPod, type PodPort } from "./pod-connection.ts";
import type { Draft } from "./served.ts";
import { errors } from "./status-error.ts";

export interface StreamTarget {
  readonly pod: Readonly<Draft>;
  /** `log`, `exec`, `attach`, `portforward` */
  readonly subresource: string;
  readonly url: URL;
}

/** The Unix socket of a node's kubelet. @returns undefined when the node is not there */
export type KubeletOf = (node: string) => string | undefined;

export class NodeStreams {
  readonly #kubeletOf: KubeletOf;

  constructor(kubeletOf: KubeletOf) {
    this.#kubeletOf = kubeletOf;
  }

  /** Plain requests: logs. @throws StatusError */
  forward(request: IncomingMessage, response: ServerResponse, target: StreamTarget): Promise<void> {
    const { socketPath, path } = this.#place(target);
    return new Promise((resolve, reject) => {
      const onward = send(
        { socketPath, path, method: request.method, headers: { accept: "*/*" } },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          response.flushHeaders();
          answer.pipe(response);
          answer.on("error", () => response.destroy());
        },
      );
      const leave = (): void => {
        onward.destroy();
        resolve();
      };
      onward.on("error", (error) => reject(errors.unavailable(`error dialing backend: ${error.message}`)));
      // Also before there is an answer; and it may have left while it was asked who it is.
      response.on("close", leave);
      if (response.destroyed) leave();
      else onward.end();
    });
  }

  /** Upgraded connections: the bytes of both sides, untouched. @throws StatusError */
  upgrade(request: IncomingMessage, client: Duplex, head: Buffer, target: StreamTarget): Promise<void> {
    const { socketPath, path } = this.#place(target);
    return new Promise((resolve, reject) => {
      if (client.destroyed) {
        resolve();
        return;
      }
      const kubelet = connect(socketPath);
      const leave = (): void => {
        kubelet.destroy();
        client.destroy();
        resolve();
      };
      client.on("error", leave).on("close", leave);
      kubelet.once("error", (error) => reject(errors.unavailable(`error dialing backend: ${error.message}`)));
      kubelet.once("connect", () => {
        kubelet.removeAllListeners("error");
        const lines = [`${request.method} ${path} HTTP/1.1`];
        for (let place = 0; place < request.rawHeaders.length; place += 2) {
          const name = request.rawHeaders[place] ?? "";
          if (name.toLowerCase() !== "authorization") lines.push(`${name}: ${request.rawHeaders[place + 1]}`);
        }
        kubelet.write(`${lines.join("\r\n")}\r\n\r\n`);
        if (head.length > 0) kubelet.write(head);
        kubelet.on("error", leave);
        // What the kubelet said last may be on its way to the client still: the pipe ends the client's side when it is told.
        kubelet.on("close", () => endConnection(client));
        kubelet.pipe(client);
        client.pipe(kubelet);
      });
    });
  }

  /** A connection to a port of the pod. @throws StatusError, OpError `api-unreachable` */
  connect(pod: Readonly<Draft>, to: Pick<PodPort, "address" | "port">): Promise<Duplex> {
    const { namespace = "", name } = pod.metadata;
    return connectToPod(this.#socketOf(pod), { namespace, name, ...to });
  }

  #socketOf(pod: Readonly<Draft>): string {
    const node = stringAt(pod, "spec", "nodeName");
    if (!node) throw errors.badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
    const socketPath = this.#kubeletOf(node);
    if (socketPath === undefined) throw errors.unavailable(`the kubelet of node ${node} cannot be reached`);
    return socketPath;
  }

  #place({ pod, subresource, url }: StreamTarget): { readonly socketPath: string; readonly path: string } {
    const { namespace = "", name } = pod.metadata;
    const socketPath = this.#socketOf(pod);
    const query = new URLSearchParams(url.search);
    if (subresource !== "portforward") query.set("container", containerOf(pod, query.get("container")));
    const words = [subresource, namespace, name].map(encodeURIComponent).join("/");
    return { socketPath, path: `/${words}?${query}` };
  }
}

const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/** @throws StatusError 400 when the pod has several and none is named, or has none of that name */
function containerOf(pod: Readonly<Draft>, asked: string | null): string {
  const names = ["initContainers", "containers", "ephemeralContainers"].flatMap((list) =>
    arrayAt(pod, "spec", list).map((one) => stringAt(one, "name") ?? ""),
  );
  const { name } = pod.metadata;
  if (asked) {
    if (names.includes(asked)) return asked;
    throw errors.badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only, ...others] = arrayAt(pod, "spec", "containers").map((one) => stringAt(one, "name") ?? "");
  if (only !== undefined && others.length === 0) return only;
  const marked = stringAt(at(pod, "metadata", "annotations"), DEFAULT_CONTAINER);
  if (marked !== undefined && names.includes(marked)) return marked;
  throw errors.badRequest(
    `a container name must be specified for pod ${name}, choose one of: [${[only, ...others].join(" ")}]`,
  );
}
