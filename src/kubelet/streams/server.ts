/**
 * @module The door of a machine's kubelets: exec, attach, logs and port-forward, as kubectl speaks them, on a Unix
 * socket. The API server has asked who may before.
 *
 *   GET  /log/NS/POD                        text
 *   GET  /exec|attach/NS/POD   websocket    channels of v5, v4 and channel.k8s.io
 *   POST /exec|attach/NS/POD   SPDY/3.1     a stream for each
 *   GET  /portforward/NS/POD   websocket    SPDY inside, or channels; ?at=pod: to the pod's own address
 *   POST /portforward/NS/POD   SPDY/3.1     two streams for each connection
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { PodHost } from "../pod-host.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type CommandChannels, type CommandContext, requireRunning, runCommand } from "./command.ts";
import { serveLog } from "./log.ts";
import { parseCommand, parsePorts, parseStreamRequest, type StreamRequest } from "./request.ts";
import { acceptSpdy, isSpdy } from "./spdy.ts";
import { spdyChannels } from "./spdy-channels.ts";
import { type ForwardContext, forwardOverSpdy } from "./spdy-forward.ts";
import { messageOf, Refusal, refusalStatus } from "./status.ts";
import { acceptChannels, acceptTunnel, isWebSocket, offersTunnel, type Upgrade } from "./web-socket.ts";
import { webSocketChannels } from "./web-socket-channels.ts";
import { forwardOverWebSocket } from "./web-socket-forward.ts";

export interface StreamServerOptions {
  readonly socketPath: string;
  readonly host: PodHost;
  readonly runtime: Runtime;
  readonly log: (line: string) => void;
}

export interface StreamServer {
  /** Cuts every stream off. */
  close(): Promise<void>;
}

/** Listens where nobody else does: a socket that a dead process left there is replaced. Its user alone may connect. */
export async function serveStreams(options: StreamServerOptions): Promise<StreamServer> {
  const { socketPath, log } = options;
  const connections = new Set<Duplex>();
  const streams = new StreamHandler(options);
  const server = createServer((request, response) => void streams.answer(request, response));
  server.on("connection", (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => void streams.upgrade({ request, socket, head }));
  server.on("clientError", (_error, socket) => socket.destroy());
  rmSync(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, () => {
      server.off("error", reject);
      chmodSync(socketPath, 0o600);
      resolve();
    });
  });
  server.on("error", (error) => log(`streams: ${error.message}`));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

class StreamHandler {
  readonly #options: StreamServerOptions;

  constructor(options: StreamServerOptions) {
    this.#options = options;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const wanted = parseStreamRequest(request.url ?? "/");
      if (wanted.verb !== "log") throw new Refusal(400, "Upgrade request required");
      const container = wanted.query.get("container") ?? "";
      const view = this.#options.host.container(wanted.namespace, wanted.pod, container);
      await serveLog(wanted, view, response);
    } catch (error) {
      if (response.headersSent) {
        this.#options.log(`streams: ${messageOf(error)}`);
        response.destroy();
        return;
      }
      const code = error instanceof Refusal ? error.code : 500;
      response.writeHead(code, { "content-type": "application/json" });
      response.end(JSON.stringify(refusalStatus(code, messageOf(error))));
    }
  }

  async upgrade(upgrade: Upgrade): Promise<void> {
    const { socket, head, request } = upgrade;
    socket.on("error", () => socket.destroy());
    try {
      const wanted = parseStreamRequest(request.url ?? "/");
      if (!isWebSocket(upgrade) && !isSpdy(upgrade))
        throw new Refusal(400, `unable to upgrade to ${JSON.stringify(request.headers.upgrade)}`);
      // WebSockets take their head themselves.
      if (isSpdy(upgrade) && head.length > 0) socket.unshift(head);
      if (wanted.verb === "portforward") await this.#forward(upgrade, wanted);
      else if (wanted.verb === "log") throw new Refusal(400, "logs are not streamed so");
      else await this.#command(upgrade, wanted);
    } catch (error) {
      if (error instanceof Refusal) {
        refuse(socket, error);
        return;
      }
      this.#options.log(`streams: ${messageOf(error)}`);
      socket.destroy();
    }
  }

  async #command(upgrade: Upgrade, request: StreamRequest): Promise<void> {
    const { runtime, host } = this.#options;
    const wanted = parseCommand(request);
    const view = host.container(request.namespace, request.pod, wanted.container);
    if (!view) throw new Refusal(404, "pod does not exist");
    const context: CommandContext = { runtime, request, wanted, view };
    requireRunning(context);
    const channels = await this.#channels(upgrade, context);
    if (channels) await runCommand(context, channels);
  }

  async #channels(upgrade: Upgrade, { wanted }: CommandContext): Promise<CommandChannels | undefined> {
    if (isWebSocket(upgrade)) return webSocketChannels(await acceptChannels(upgrade), wanted);
    const protocol = acceptSpdy(upgrade, "command");
    if (protocol === undefined) return undefined;
    return spdyChannels({ transport: upgrade.socket, protocol, log: this.#options.log }, wanted);
  }

  async #forward(upgrade: Upgrade, { namespace, pod, query }: StreamRequest): Promise<void> {
    const { runtime, host, log } = this.#options;
    const sandbox = host.sandbox(namespace, pod);
    if (!sandbox) throw new Refusal(404, "pod does not exist");
    // What listens on the loopback alone is for whoever may forward ports, and not for the API server's proxies.
    const addresses = query.get("at") === "pod" ? sandbox.addresses : undefined;
    const context: ForwardContext = { runtime, sandbox, log, addresses };
    if (isSpdy(upgrade)) {
      if (acceptSpdy(upgrade, "forward") !== undefined) forwardOverSpdy(upgrade.socket, context);
      return;
    }
    if (offersTunnel(upgrade)) {
      forwardOverSpdy(await acceptTunnel(upgrade), context);
      return;
    }
    const ports = parsePorts(query);
    await forwardOverWebSocket(await acceptChannels(upgrade), ports, context);
  }
}

/** As text: clients of upgrades show it behind "unable to upgrade connection". */
function refuse(socket: Duplex, { code, message }: Refusal): void {
  if (!socket.writable) return;
  const names: Readonly<Record<number, string>> = { 400: "Bad Request", 404: "Not Found" };
  socket.end(
    `HTTP/1.1 ${code} ${names[code] ?? "Internal Server Error"}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(message)}\r\nconnection: close\r\n\r\n${message}`,
  );
}
