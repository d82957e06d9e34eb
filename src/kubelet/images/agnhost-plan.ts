/** @module agnhost, the image of Kubernetes' own network tests: its subcommands that serve. Others run as a process. */
import type { ContainerConfig } from "../runtime/container.ts";
import type { Plan, ServedPort } from "./image.ts";

type Flags = ReadonlyMap<string, string>;

/** `--http-port=80`, `--http-port 80`, `--udp`. */
export function readFlags(args: readonly string[]): Flags {
  const flags = new Map<string, string>();
  for (const [index, word] of args.entries()) {
    const found = /^--?([a-z-]+)(?:=(.*))?$/s.exec(word);
    if (!found?.[1]) continue;
    const next = args[index + 1];
    flags.set(found[1], found[2] ?? (next !== undefined && !/^-\D/.test(next) ? next : "true"));
  }
  return flags;
}

function port(flags: Flags, name: string, otherwise: number): number {
  const number = Number(flags.get(name) ?? otherwise);
  return Number.isInteger(number) ? number : otherwise;
}

/** Handled by `servers/agnhost.ts`; what it says is in `body`. */
export const NETEXEC = "agnhost:netexec";
export const HOSTNAME = "agnhost:hostname";
const VALUE = "agnhost:value:";

export function valueBody(value: string): string {
  return VALUE + value;
}

/** What `porter` answers, when it is that. */
export function porterValue(body: string | undefined): string | undefined {
  return body?.startsWith(VALUE) ? body.slice(VALUE.length) : undefined;
}

function netexec(flags: Flags): Plan {
  const http = port(flags, "http-port", 8080);
  const udp = port(flags, "udp-port", 8081);
  const sctp = port(flags, "sctp-port", -1);
  const serves: ServedPort[] = [{ port: http, protocol: "TCP", answers: "http", body: NETEXEC }];
  if (udp > 0) serves.push({ port: udp, protocol: "UDP", answers: "echo", body: NETEXEC });
  if (sctp > 0) serves.push({ port: sctp, protocol: "SCTP", answers: "echo", body: NETEXEC });
  const started = [`Started HTTP server on port ${http}`];
  if (udp > 0) started.push(`Started UDP server on port  ${udp}`);
  return { kind: "server", serves, started };
}

function serveHostname(flags: Flags): Plan {
  const number = port(flags, "port", 9376);
  const on = (name: string, otherwise: boolean): boolean =>
    flags.has(name) ? flags.get(name) !== "false" : otherwise;
  const serves: ServedPort[] = [];
  const http = on("http", true);
  if (http) serves.push({ port: number, protocol: "TCP", answers: "http", body: HOSTNAME });
  else if (on("tcp", false))
    serves.push({ port: number, protocol: "TCP", answers: "silent", body: HOSTNAME });
  if (on("udp", false)) serves.push({ port: number, protocol: "UDP", answers: "echo", body: HOSTNAME });
  return { kind: "server", serves, started: [] };
}

const SERVE = /^SERVE_(?:(TCP|UDP|SCTP|TLS)_)?PORT_(\d+)$/;

function porter(env: ContainerConfig["env"]): Plan {
  const serves: ServedPort[] = [];
  for (const [name, value] of env) {
    const found = SERVE.exec(name);
    const number = Number(found?.[2]);
    if (!found || number < 1 || number > 65_535) continue;
    const protocol = found[1] === "UDP" || found[1] === "SCTP" ? found[1] : "TCP";
    serves.push({
      port: number,
      protocol,
      answers: protocol === "TCP" ? "http" : "echo",
      body: valueBody(value),
    });
  }
  return { kind: "server", serves, started: [] };
}

/** @param argv - the program and its arguments; without a subcommand agnhost pauses */
export function planAgnhost(argv: readonly string[], config: Pick<ContainerConfig, "env">): Plan {
  const [program = "", subcommand = "pause", ...args] = argv;
  if (!/(^|\/)agnhost$/.test(program)) return { kind: "process", argv, otherwise: undefined };
  const flags = readFlags(args);
  switch (subcommand) {
    case "pause":
      return { kind: "server", serves: [], started: ["Paused"] };
    case "netexec":
      return netexec(flags);
    case "serve-hostname":
      return serveHostname(flags);
    case "porter":
      return porter(config.env);
    default:
      return { kind: "process", argv, otherwise: undefined };
  }
}
