/** @module What a container's command means for its image: a process, or a stand-in that answers on ports. */
import path from "node:path";
import type { ContainerConfig } from "../runtime/container.ts";
import { planAgnhost } from "./agnhost-plan.ts";
import type { Image, Plan, ServedPort, ServerPlan } from "./image.ts";

type Command = Pick<ContainerConfig, "command" | "args" | "env" | "ports">;

/** Ports that the pod declares, beside those that the image has. */
function declared(config: Command, image: Image): ServedPort[] {
  const answers = (image.serves[0] ?? image.usually[0])?.answers ?? "any";
  const known = new Set(image.serves.map((one) => `${one.protocol} ${one.port}`));
  return config.ports
    .filter((one) => !known.has(`${one.protocol} ${one.port}`))
    .map((one) => ({ ...one, answers: one.protocol === "TCP" ? answers : "echo" }));
}

function serverOf(image: Image, config: Command, args: readonly string[]): ServerPlan {
  const own = image.serves.length === 0 && config.ports.length === 0 ? image.usually : movedPort(image, args);
  return { kind: "server", serves: [...own, ...declared(config, { ...image, serves: own })], started: [] };
}

/** `redis-server --port 6380`, `mongod --port=27018`, `postgres -p 5433`. */
function movedPort(image: Image, args: readonly string[]): readonly ServedPort[] {
  const [first, ...rest] = image.serves;
  if (!first) return [];
  for (const [index, word] of args.entries()) {
    const [name = "", joined] = word.split("=", 2);
    if (name !== "--port" && name !== "-p") continue;
    const port = Number(joined ?? args[index + 1]);
    if (Number.isInteger(port) && port > 0 && port < 65_536) return [{ ...first, port }, ...rest];
  }
  return image.serves;
}

function runsOwnProgram(image: Image, argv: readonly string[]): boolean {
  return image.programs.includes(path.posix.basename(argv[0] ?? ""));
}

/** `-text=hello -listen=:5678`, hashicorp/http-echo's own. */
function planHttpEcho(args: readonly string[], env: Command["env"]): Plan {
  const value = (name: string): string | undefined => {
    for (const [index, word] of args.entries()) {
      const found = /^--?([a-z-]+)(?:=(.*))?$/s.exec(word);
      if (found?.[1] === name) return found[2] ?? args[index + 1];
    }
    return undefined;
  };
  const port = Number(/:(\d+)$/.exec(value("listen") ?? ":5678")?.[1] ?? 5678);
  const said = value("text") ?? env.find(([name]) => name === "ECHO_TEXT")?.[1] ?? "hello-world";
  return {
    kind: "server",
    serves: [{ port, protocol: "TCP", answers: "http", body: `${said}\n` }],
    started: [`[INFO] server is listening on :${port}`],
  };
}

export function planContainer(image: Image, config: Command): Plan {
  const { command, args = [] } = config;
  const argv = [...(command ?? []), ...args];
  const given = command !== undefined && command.length > 0;
  switch (image.kind) {
    case "pause":
      return given && path.posix.basename(argv[0] ?? "") !== "pause"
        ? { kind: "process", argv, otherwise: declared(config, image) }
        : { kind: "server", serves: [], started: [] };
    case "agnhost":
      return planAgnhost(given ? argv : ["/agnhost", ...args], config);
    case "http-echo":
      return given && !argv[0]?.endsWith("http-echo")
        ? { kind: "process", argv, otherwise: undefined }
        : planHttpEcho(args, config.env);
    case "process": {
      const words = given ? argv : args.length > 0 ? [...image.entrypoint, ...args] : image.command;
      return { kind: "process", argv: words, otherwise: undefined };
    }
    case "server":
      if (given) {
        return runsOwnProgram(image, argv)
          ? serverOf(image, config, argv)
          : { kind: "process", argv, otherwise: serverOf(image, config, []).serves };
      }
      // An entry point hands its arguments to the server, or executes them where they are a program.
      return args.length === 0 || args[0]?.startsWith("-") || runsOwnProgram(image, args)
        ? serverOf(image, config, args)
        : { kind: "process", argv: args, otherwise: serverOf(image, config, []).serves };
    case "unknown":
      return given
        ? { kind: "process", argv, otherwise: declared(config, image), beside: declared(config, image) }
        : { kind: "server", serves: declared(config, image), started: [] };
    default:
      return image.kind satisfies never;
  }
}
