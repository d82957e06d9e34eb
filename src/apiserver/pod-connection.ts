/**
 * @module A connection to a port of a pod, through the kubelet of its node: a port-forward over channels of a WebSocket,
 * of which channel 0 carries data and channel 1 why there is none; both begin with the port's number.
 */
import { connect } from "node:net";
import { Duplex } from "node:stream";
import { WebSocket } from "ws";
import { OpError } from "../base/errors.ts";
import { bytesOf, sendMessage } from "../client/web-socket-messages.ts";

export interface PodPort {
  readonly namespace: string;
  readonly name: string;
  /** For messages. */
  readonly address: string;
  readonly port: number;
}

const PROTOCOL = "v4.channel.k8s.io";
const HANDSHAKE_MS = 10_000;
const DATA = 0;
const MAX_REFUSAL = 4096;
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

function unreachable(message: string, cause?: unknown): OpError {
  return new OpError(message, { code: "api-unreachable", cause });
}

/** The kubelet says where it dialled and what came of it; who asks the API knows the pod by its address. */
function dialFault({ address, port }: PodPort, told: string): string {
  const [, reason] = /dial tcp[46]? [^ ]+: (.*)$/.exec(told) ?? [];
  return reason === undefined ? told : `dial tcp ${address}:${port}: ${reason}`;
}

/** Ends when the pod's side has; one that could not be made fails with why. */
class PodConnection extends Duplex {
  readonly #webSocket: WebSocket;
  readonly #begun = new Set<number>();

  constructor(webSocket: WebSocket, target: PodPort) {
    // Nothing is sent to a side that has ended: a port-forward knows no half of a connection.
    super({ allowHalfOpen: false });
    this.#webSocket = webSocket;
    webSocket.on("message", (data: Buffer | ArrayBuffer | Buffer[]) => {
      const message = bytesOf(data);
      const channel = message[0] ?? DATA;
      const bytes = message.subarray(1);
      if (!this.#begun.has(channel)) this.#begun.add(channel);
      else if (channel !== DATA) this.destroy(unreachable(dialFault(target, bytes.toString())));
      else if (!this.push(bytes)) webSocket.pause();
    });
    webSocket.on("close", () => this.push(null));
    webSocket.on("error", (error) => this.destroy(unreachable(error.message, error)));
  }

  override _read(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    sendMessage(this.#webSocket, Buffer.concat([Buffer.of(DATA), chunk]), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#webSocket.terminate();
    done(error);
  }
}

/** @throws OpError `api-unreachable` when the kubelet does not take it; what the pod does not, fails the connection */
export function connectToPod(socketPath: string, target: PodPort): Promise<Duplex> {
  const { namespace, name, port } = target;
  const words = ["portforward", namespace, name].map(encodeURIComponent).join("/");
  const webSocket = new WebSocket(`ws://kubelet/${words}?ports=${port}&at=pod`, PROTOCOL, {
    createConnection: () => connect(socketPath),
    handshakeTimeout: HANDSHAKE_MS,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  });
  // What the pod says first may come with the handshake: it is listened to from the start.
  const connection = new PodConnection(webSocket, target);
  return new Promise((resolve, reject) => {
    webSocket.once("open", () => resolve(connection));
    // Also behind the handshake, before anyone else listens: the connection says of itself then that it has failed.
    connection.on("error", reject);
    webSocket.once("unexpected-response", (_request, answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        if (text.length < MAX_REFUSAL) text += chunk.toString();
      });
      answer.on("close", () =>
        connection.destroy(unreachable(`the kubelet answers ${answer.statusCode}: ${text}`)),
      );
    });
  });
}
