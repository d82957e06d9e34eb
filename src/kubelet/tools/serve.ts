/** @module A stand-in server as a process of a container: for commands like `sh -c "…; nginx -g 'daemon off;'"`. */
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import path from "node:path";
import { DEFAULT_IMAGES } from "../images/default-catalogue.ts";
import type { Image, ServerPlan } from "../images/image.ts";
import { NO_IMAGE } from "../images/image.ts";
import { planContainer } from "../images/plan.ts";
import { datagramAnswer } from "../images/servers/agnhost.ts";
import type { ServerContext } from "../images/servers/context.ts";
import { plainAddress } from "../images/servers/context.ts";
import { serveTcp } from "../images/servers/tcp.ts";
import { complain, errorWords, print, resolveName } from "./program.ts";

function ownAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.find((one) => !one.internal && one.family === "IPv4")?.address ?? "127.0.0.1";
}

async function dial(host: string, port: number, timeoutMs: number): Promise<Socket> {
  const address = await resolveName(host);
  if (address === undefined) throw new Error(`no such host: ${host}`);
  return new Promise((resolve, reject) => {
    const socket = connect(port, address);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error("connection timed out")));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

async function ask(host: string, port: number, message: string, timeoutMs: number): Promise<string> {
  const address = await resolveName(host);
  const socket = createSocket("udp4");
  return new Promise<string>((resolve, reject) => {
    setTimeout(() => reject(new Error("i/o timeout")), timeoutMs).unref();
    socket.once("message", (answer) => resolve(answer.toString()));
    socket.once("error", reject);
    socket.send(message, port, address ?? host);
  }).finally(() => socket.close());
}

function contextOf(image: Image): ServerContext {
  const name = hostname();
  return {
    pod: name,
    namespace: process.env["POD_NAMESPACE"] ?? "default",
    hostname: name,
    address: ownAddress(),
    image,
    imageName: image.pattern,
    tag: undefined,
    env: new Map(Object.entries(process.env).map(([key, value]) => [key, value ?? ""])),
    log: (line) => print(`${line}\n`),
    readFile: async (file) => {
      try {
        return readFileSync(file);
      } catch {
        return undefined;
      }
    },
    dial,
    ask,
    exit: (code) => process.exit(code),
  };
}

/** Listens until a signal comes. */
export function servePlan(plan: ServerPlan, image: Image | undefined): Promise<number> {
  const context = contextOf(image ?? { ...NO_IMAGE, pattern: "agnhost", kind: "agnhost" });
  for (const line of plan.started) print(`${line}\n`);
  return new Promise((resolve) => {
    const failed = (port: number) => (error: unknown) => {
      complain(`bind() to 0.0.0.0:${port} failed (${errorWords(error)})\n`);
      resolve(1);
    };
    for (const port of plan.serves) {
      if (port.protocol === "TCP") {
        const server = createServer((socket) => {
          socket.on("error", () => socket.destroy());
          serveTcp(socket, { context, port });
        });
        server.once("error", failed(port.port));
        server.listen(port.port);
      } else if (port.protocol === "UDP") {
        const socket = createSocket("udp6");
        socket.once("error", failed(port.port));
        socket.on("message", (message, from) => {
          const client = { address: plainAddress(from.address), port: from.port };
          socket.send(datagramAnswer(message, client, { context, port }), from.port, from.address);
        });
        socket.bind(port.port);
      }
    }
    // Process 1 hears only signals that it handles.
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) process.once(signal, () => resolve(0));
    setInterval(() => {
      // Keeps a server without ports alive.
    }, 2 ** 30);
  });
}

/** A server program by its name: nginx, redis-server … */
export async function serve(words: readonly string[], name: string): Promise<number> {
  if (words.some((word) => ["-v", "-V", "-t", "--version", "-s"].includes(word))) {
    print(`${name} (tortie's stand-in)\n`);
    return 0;
  }
  const image = DEFAULT_IMAGES.find((one) => one.programs.includes(path.posix.basename(name)));
  if (!image) {
    complain(`${name}: not known here\n`);
    return 127;
  }
  const plan = planContainer(image, { command: [name, ...words], env: [], ports: [] });
  return plan.kind === "server" ? servePlan(plan, image) : 127;
}
