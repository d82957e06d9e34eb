/** @module The tools that containers have besides busybox's, in one file. The name that it is called by says which. */
import path from "node:path";
import { UsageError } from "./options.ts";
import type { Tool } from "./program.ts";
import { complain } from "./program.ts";

/** Each is loaded only when it is asked for. */
const TOOLS: Readonly<Record<string, () => Promise<Tool>>> = {
  wget: async () => (await import("./wget.ts")).wget,
  curl: async () => (await import("./curl.ts")).curl,
  nc: async () => (await import("./nc.ts")).nc,
  ncat: async () => (await import("./nc.ts")).nc,
  netcat: async () => (await import("./nc.ts")).nc,
  nslookup: async () => (await import("./nslookup.ts")).nslookup,
  dig: async () => (await import("./nslookup.ts")).dig,
  coredns: async () => (await import("./coredns.ts")).coredns,
  agnhost: async () => (await import("./agnhost.ts")).agnhost,
};

async function main(): Promise<number> {
  const [called = "", ...words] = process.argv.slice(1);
  const name = path.basename(called);
  const tool = await (TOOLS[name] ?? (async () => (await import("./serve.ts")).serve))();
  try {
    return await tool(words, name);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    complain(`${name}: ${error.message}\n`);
    return 1;
  }
}

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever read is gone, as with `… | head -1`.
    if (error.code === "EPIPE") process.exit(141);
  });
}

main().then(
  (code) => {
    process.exitCode = code;
    // Output may be on its way still; then the process ends by itself.
    process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
  },
  (error: unknown) => {
    complain(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
