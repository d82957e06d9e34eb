/**
 * @module Port-forward through channels of a WebSocket: for the i-th port, channel 2i carries data and 2i + 1 errors,
 * and each begins with the port's number. One connection to each port, from the start.
 */
import { Readable, Writable } from "node:stream";
import type { WebSocket } from "ws";
import { bytesOf, sendMessage } from "../../client/web-socket-messages.ts";
import { forward } from "./forward.ts";
import type { ForwardContext } from "./spdy-forward.ts";
import { Brake } from "./web-socket.ts";
import { channelMessage } from "./web-socket-channels.ts";

const SOURCE_BYTES = 128 * 1024;

/** Serves a connection; it is closed when the pod has ended all of them. */
export async function forwardOverWebSocket(
  webSocket: WebSocket,
  ports: readonly number[],
  context: ForwardContext,
): Promise<void> {
  const brake = new Brake(webSocket);
  const sources = ports.map(() => {
    const source: Readable = new Readable({
      highWaterMark: SOURCE_BYTES,
      read: () => brake.release(source),
    });
    source.on("close", () => brake.release(source));
    return source;
  });
  let isGone = false;
  const leaving: (() => void)[] = [];
  webSocket.on("error", () => webSocket.terminate());
  webSocket.on("close", () => {
    isGone = true;
    for (const leave of leaving) leave();
  });
  webSocket.on("message", (data) => {
    const message = bytesOf(data);
    const channel = message[0] ?? 0;
    const source = channel % 2 === 0 ? sources[channel / 2] : undefined;
    if (!source || source.destroyed || message.length === 1) return;
    if (!source.push(message.subarray(1))) brake.hold(source);
  });
  for (const [place, port] of ports.entries())
    for (const channel of [2 * place, 2 * place + 1])
      webSocket.send(channelMessage(channel, portBytes(port)));
  await Promise.all(
    ports.map(async (port, place) => {
      const output = new Writable({
        write: (chunk: Buffer, _encoding, done) =>
          sendMessage(webSocket, channelMessage(2 * place, chunk), done),
      });
      const onGone = (listener: () => void): void => {
        if (isGone) listener();
        else leaving.push(listener);
      };
      const input = sources[place] ?? Readable.from([]);
      const problem = await forward({ ...context, port }, { input, output, onGone });
      input.resume();
      if (problem !== undefined)
        webSocket.send(channelMessage(2 * place + 1, Buffer.from(problem)), () => undefined);
      else if (!output.writableFinished && !isGone)
        await new Promise<void>((resolve) => {
          output.once("finish", resolve);
          onGone(resolve);
        });
    }),
  );
  webSocket.resume();
  webSocket.close(1000);
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(port);
  return bytes;
}
