/** @module agnhost as a program: `connect`, whose words Kubernetes' tests look for, and its servers as a process. */
import { createSocket } from "node:dgram";
import { connect as connectSocket, isIP } from "node:net";
import { planAgnhost, readFlags } from "../images/agnhost-plan.ts";
import { durationMs } from "./options.ts";
import { codeOf, complain, errorWords, print, resolveName } from "./program.ts";
import { servePlan } from "./serve.ts";

export type ConnectEnd = "OK" | "TIMEOUT" | "REFUSED" | "DNS" | "UNKNOWN" | "OTHER";

/** `10.0.0.1:80`, `[::1]:80`, `web:80`. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const found = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d+)$/.exec(text);
  const port = Number(found?.[3]);
  if (!found || port > 65_535) return undefined;
  return { host: found[1] ?? found[2] ?? "", port };
}

function failed(end: ConnectEnd, detail = ""): number {
  complain(detail === "" ? `${end}\n` : `${end}: ${detail}\n`);
  return 1;
}

function overTcp(address: string, port: number, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host: address, port });
    const timer =
      timeoutMs > 0
        ? setTimeout(() => {
            socket.destroy();
            resolve(failed("TIMEOUT"));
          }, timeoutMs)
        : undefined;
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(0);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      const code = codeOf(error);
      if (code === "ECONNREFUSED") resolve(failed("REFUSED"));
      else if (code === "ETIMEDOUT") resolve(failed("TIMEOUT"));
      else
        resolve(failed("OTHER", `dial tcp ${address}:${port}: connect: ${errorWords(error).toLowerCase()}`));
    });
  });
}

function overUdp(
  address: string,
  port: number,
  what: { readonly timeoutMs: number; readonly data: string },
): Promise<number> {
  const socket = createSocket(isIP(address) === 6 ? "udp6" : "udp4");
  return new Promise<number>((resolve) => {
    const timer =
      what.timeoutMs > 0
        ? setTimeout(
            () => resolve(failed("TIMEOUT", `read udp ${address}:${port}: i/o timeout`)),
            what.timeoutMs,
          )
        : undefined;
    const end = (code: number): void => {
      clearTimeout(timer);
      resolve(code);
    };
    socket.once("message", (message) =>
      end(
        message.length > 0
          ? 0
          : failed(
              "OTHER",
              "No data received from the server. Cannot guarantee the server received the request.",
            ),
      ),
    );
    socket.once("error", (error) => {
      const refused = codeOf(error) === "ECONNREFUSED";
      end(
        failed(refused ? "REFUSED" : "UNKNOWN", `udp ${address}:${port}: ${errorWords(error).toLowerCase()}`),
      );
    });
    socket.connect(port, address, () => socket.send(`${what.data}\n`));
  }).finally(() => socket.close());
}

async function connect(words: readonly string[]): Promise<number> {
  const flags = readFlags(words);
  const target = words.find((word, index) => !word.startsWith("-") && !isValue(words, index));
  const parts = splitHostPort(target ?? "");
  if (!parts) return failed("UNKNOWN", `address ${target ?? ""}: missing port in address`);
  const address = parts.host === "" ? "127.0.0.1" : await resolveName(parts.host);
  if (address === undefined) return failed("DNS", `lookup ${parts.host}: no such host`);
  const timeoutMs = durationMs(flags.get("timeout") ?? "0") ?? 0;
  switch (flags.get("protocol") ?? "tcp") {
    case "tcp":
    case "":
      return overTcp(address, parts.port, timeoutMs);
    case "udp":
      return overUdp(address, parts.port, { timeoutMs, data: flags.get("udp-data") ?? "hostname" });
    case "sctp":
      return failed("OTHER", "protocol not supported");
    default:
      complain("Unsupported protocol\n");
      return 1;
  }
}

/** Whether a word is the value of the flag before it. */
function isValue(words: readonly string[], index: number): boolean {
  const before = words[index - 1] ?? "";
  return /^--?(?:timeout|protocol|udp-data|sctp-data)$/.test(before);
}

export async function agnhost(words: readonly string[]): Promise<number> {
  const [subcommand = "pause", ...rest] = words;
  if (subcommand === "connect") return connect(rest);
  if (subcommand === "--version" || subcommand === "help" || subcommand === "--help") {
    print("agnhost (tortie): connect, netexec, pause, porter, serve-hostname\n");
    return 0;
  }
  const plan = planAgnhost(["/agnhost", ...words], {
    env: Object.entries(process.env).map(([name, value]) => [name, value ?? ""] as const),
  });
  if (plan.kind === "server") return servePlan(plan, undefined);
  complain(`Error: unknown command "${subcommand}" for "app"\n`);
  return 1;
}
