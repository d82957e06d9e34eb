/** @module nc, with the options that Debian's busybox lacks (-z, -v, -u), and busybox's words. */
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import type { Socket } from "node:net";
import { connect, createServer, isIP } from "node:net";
import type { Options } from "./options.ts";
import { durationMs, parseOptions } from "./options.ts";
import { codeOf, complain, errorWords, place, resolveName } from "./program.ts";

const RULES = {
  flags: "zvulknN46t",
  values: "wpieqs",
  long: { wait: "w", listen: "l", udp: "u", verbose: "v" },
};

/** An ICMP refusal of a datagram is waited for so long. */
const UDP_WAIT_MS = 1_000;

interface Ends {
  readonly options: Options;
  readonly waitMs: number | undefined;
  /** Where to listen, or to come from: -s. Undefined: anywhere. */
  readonly local: string | undefined;
}

interface Target {
  readonly host: string;
  readonly address: string;
  readonly port: number;
}

/** `80`, `80-90`. @returns undefined for what is no port */
export function portRange(text: string): readonly number[] | undefined {
  const found = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (!found) return undefined;
  const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
  if (first < 1 || last > 65_535 || last < first) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function shown({ host, address, port }: Target): string {
  return `${host} (${place(address, port)})`;
}

function report(target: Target, error: unknown, { options }: Ends): void {
  if (options.has("v") || codeOf(error) === "") complain(`nc: ${shown(target)}: ${errorWords(error)}\n`);
}

class TimedOut extends Error {
  readonly code = "ETIMEDOUT";
}

function open(target: Target, ends: Ends): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const localPort = Number(ends.options.get("p") ?? 0);
    const socket = connect({
      port: target.port,
      host: target.address,
      allowHalfOpen: true,
      ...(ends.local !== undefined && { localAddress: ends.local }),
      ...(localPort > 0 && { localPort }),
    });
    const timer =
      ends.waitMs === undefined ? undefined : setTimeout(() => socket.destroy(new TimedOut()), ends.waitMs);
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

/** Both ways until the other side closes, or nothing came for the time of -w. */
function converse(socket: Socket, { options, waitMs }: Ends): Promise<number> {
  return new Promise((resolve) => {
    const program = options.get("e");
    if (program !== undefined) {
      const child = spawn("/bin/sh", ["-c", program], { stdio: ["pipe", "pipe", "inherit"] });
      socket.pipe(child.stdin);
      child.stdout.pipe(socket);
      child.stdin.on("error", () => socket.destroy());
      // As a program whose output is the connection itself: it is told by its next write that nobody listens any more.
      socket.once("close", () => {
        child.stdin.destroy();
        child.stdout.destroy();
      });
    } else {
      socket.pipe(process.stdout, { end: false });
      process.stdin.pipe(socket);
    }
    if (waitMs !== undefined) socket.setTimeout(waitMs, () => socket.destroy());
    const quit = durationMs(options.get("q") ?? "");
    if (quit !== undefined) process.stdin.once("end", () => setTimeout(() => socket.destroy(), quit));
    socket.once("end", () => socket.end());
    socket.once("error", () => resolve(1));
    socket.once("close", () => {
      process.stdin.unpipe(socket);
      process.stdin.pause();
      resolve(0);
    });
  });
}

async function tcp(target: Target, ends: Ends): Promise<number> {
  let socket: Socket;
  try {
    socket = await open(target, ends);
  } catch (error) {
    report(target, error, ends);
    return 1;
  }
  if (ends.options.has("v")) complain(`${shown(target)} open\n`);
  if (!ends.options.has("z")) return converse(socket, ends);
  socket.destroy();
  return 0;
}

function udp(target: Target, ends: Ends): Promise<number> {
  const socket = createSocket(isIP(target.address) === 6 ? "udp6" : "udp4");
  const probe = ends.options.has("z");
  return new Promise<number>((resolve) => {
    const finish = (code: number): void => {
      process.stdin.pause();
      resolve(code);
    };
    socket.once("error", (error) => {
      report(target, error, ends);
      finish(1);
    });
    socket.on("message", (message) => process.stdout.write(message));
    socket.bind(Number(ends.options.get("p") ?? 0), ends.local);
    socket.connect(target.port, target.address, () => {
      if (probe) {
        // Two, since the refusal of the first is told with the second.
        socket.send("\0");
        setTimeout(() => socket.send("\0"), UDP_WAIT_MS / 2);
        setTimeout(
          () => {
            if (ends.options.has("v")) complain(`${shown(target)} open\n`);
            finish(0);
          },
          ends.waitMs === undefined ? UDP_WAIT_MS : Math.min(ends.waitMs, UDP_WAIT_MS),
        );
        return;
      }
      process.stdin.on("data", (chunk: Buffer) => socket.send(chunk));
      const idle = (): void => {
        if (ends.waitMs === undefined) return;
        const timer = setTimeout(() => finish(0), ends.waitMs);
        socket.once("message", () => {
          clearTimeout(timer);
          idle();
        });
      };
      process.stdin.once("end", idle);
    });
  }).finally(() => socket.close());
}

function listenTcp(port: number, ends: Ends): Promise<number> {
  const here = place(ends.local ?? "::", port);
  return new Promise((resolve) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      if (ends.options.has("v"))
        complain(`connect to ${here} from ${place(socket.remoteAddress ?? "", socket.remotePort ?? 0)}\n`);
      if (!ends.options.has("k")) server.close();
      void converse(socket, ends).then((code) => {
        if (!ends.options.has("k")) resolve(code);
      });
    });
    server.once("error", (error) => {
      complain(`nc: bind: ${errorWords(error)}\n`);
      resolve(1);
    });
    server.listen(port, ends.local, () => {
      if (ends.options.has("v")) complain(`listening on ${here} ...\n`);
    });
  });
}

function listenUdp(port: number, local = "::"): Promise<number> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: isIP(local) === 4 ? "udp4" : "udp6" });
    socket.once("error", (error) => {
      complain(`nc: bind: ${errorWords(error)}\n`);
      resolve(1);
    });
    let client: { readonly address: string; readonly port: number } | undefined;
    socket.on("message", (message, from) => {
      client ??= from;
      process.stdout.write(message);
    });
    process.stdin.on("data", (chunk: Buffer) => {
      if (client) socket.send(chunk, client.port, client.address);
    });
    socket.bind(port, local);
  });
}

export async function nc(words: readonly string[]): Promise<number> {
  const options = parseOptions(words, RULES);
  const local = options.get("s");
  if (local !== undefined && isIP(local) === 0) {
    complain(`nc: bad local address '${local}'\n`);
    return 1;
  }
  const ends: Ends = { options, waitMs: durationMs(options.get("w") ?? ""), local };
  const [host, ports] = options.rest;
  if (options.has("l")) {
    const port = Number(options.get("p") ?? ports ?? host);
    if (!(port > 0 && port < 65_536)) {
      complain("nc: a port to listen on is needed: nc -l -p PORT\n");
      return 1;
    }
    return options.has("u") ? listenUdp(port, local) : listenTcp(port, ends);
  }
  const numbers = portRange(ports ?? "");
  if (host === undefined || !numbers) {
    complain("BusyBox-like nc\nUsage: nc [-zvunlk] [-w SEC] [-s ADDR] [-p PORT] [-e PROG] [HOST] [PORT]\n");
    return 1;
  }
  const address = await resolveName(host, options.has("6") ? 6 : options.has("4") ? 4 : 0);
  if (address === undefined) {
    complain(`nc: bad address '${host}'\n`);
    return 1;
  }
  let worst = 1;
  for (const port of numbers) {
    const target = { host, address, port };
    const code = options.has("u") ? await udp(target, ends) : await tcp(target, ends);
    worst = Math.min(worst, code);
  }
  return worst;
}
