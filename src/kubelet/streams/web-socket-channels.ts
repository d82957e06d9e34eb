/** @module The streams of a command in one WebSocket: the first byte of a message says whose it is. */
import { Readable, Writable } from "node:stream";
import type { WebSocket } from "ws";
import { bytesOf, sendMessage } from "../../client/web-socket-messages.ts";
import type { CommandChannels } from "./command.ts";
import type { CommandRequest } from "./request.ts";
import { ResizeReader } from "./resize.ts";
import type { Status } from "./status.ts";
import { Brake } from "./web-socket.ts";

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

const SINK_BYTES = 128 * 1024;

export function channelMessage(channel: number, bytes: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(bytes.length + 1);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

function sinkOf(webSocket: WebSocket, channel: number): Writable {
  return new Writable({
    highWaterMark: SINK_BYTES,
    write: (chunk: Buffer, _encoding, done) => sendMessage(webSocket, channelMessage(channel, chunk), done),
  });
}

/** Only the newest two protocols know a Status; to older ones an error is its text. */
function lastWord(protocol: string, status: Status): Buffer {
  if (protocol === "v5.channel.k8s.io" || protocol === "v4.channel.k8s.io")
    return Buffer.from(JSON.stringify(status));
  return Buffer.from(status.status === "Success" ? "" : (status.message ?? ""));
}

export function webSocketChannels(webSocket: WebSocket, wanted: CommandRequest): CommandChannels {
  const stdout = wanted.stdout ? sinkOf(webSocket, CHANNEL.stdout) : undefined;
  const stderr = wanted.stderr ? sinkOf(webSocket, CHANNEL.stderr) : undefined;
  const brake = new Brake(webSocket);
  const sizes = new ResizeReader();
  const source = new Readable({ highWaterMark: SINK_BYTES, read: () => brake.release(source) });
  const stdin = wanted.stdin ? source : undefined;
  let hasEnded = false;
  const endInput = (): void => {
    if (!hasEnded) source.push(null);
    hasEnded = true;
  };
  webSocket.on("message", (data) => {
    const message = bytesOf(data);
    const bytes = message.subarray(1);
    switch (message[0]) {
      case CHANNEL.stdin:
        // Nothing is no end: some clients send it to see whether somebody is there.
        if (!stdin || hasEnded || source.destroyed || bytes.length === 0) return;
        if (!source.push(bytes)) brake.hold(source);
        return;
      case CHANNEL.resize:
        sizes.receive(bytes);
        return;
      case CHANNEL.close:
        if (bytes[0] === CHANNEL.stdin) endInput();
        return;
      default:
        return;
    }
  });
  source.on("close", () => brake.release(source));
  const gone = new Promise<void>((resolve) => {
    webSocket.on("close", () => {
      endInput();
      resolve();
    });
  });
  webSocket.on("error", () => webSocket.terminate());
  // So that a client knows that the command is on: an empty message from the first of its outputs.
  const first = stdout ? CHANNEL.stdout : stderr ? CHANNEL.stderr : CHANNEL.error;
  webSocket.send(channelMessage(first, Buffer.alloc(0)));
  return {
    stdin,
    stdout,
    stderr,
    onResize: (listener) => sizes.listen(listener),
    gone,
    finish: (status) => {
      webSocket.send(channelMessage(CHANNEL.error, lastWord(webSocket.protocol, status)));
      webSocket.resume();
      webSocket.close(1000);
    },
  };
}
