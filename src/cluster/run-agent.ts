/** @module The process of a node's agent: `tortie agent --name N --node NODE`, started in the node's network namespace. */
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "../agent/agent.ts";
import { serveAgent } from "../agent/socket.ts";
import { OpError } from "../base/errors.ts";
import { isReason } from "../client/client.ts";
import { HttpClient } from "../client/http-client.ts";
import { NODES } from "../client/kinds.ts";
import { Conntrack } from "../linux/conntrack.ts";
import { homeNetns } from "../linux/netns.ts";
import { NftDriver } from "../linux/nft-driver.ts";
import { readCredentials } from "./credentials.ts";
import { layoutOf } from "./layout.ts";
import { processLog } from "./process-log.ts";
import { readSettings } from "./settings.ts";

const POLL_MS = 20;
const SOCKET_PAUSE_MS = 500;
/** A control plane that only begins is no news. */
const QUIET_MS = 2000;
/** How long the API may answer without our node. */
const NODE_MS = 5000;

export async function runAgent(name: string, node: string): Promise<void> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials)
    throw new OpError(`there is no cluster ${name}`, { code: "cluster-missing", facts: { name } });
  const log = processLog();
  const client = new HttpClient({
    server: "http://tortie",
    socketPath: layout.apiSocket,
    token: credentials.tokens[`agent:${node}`] ?? "",
    userAgent: "tortie-agent",
  });
  const agent = new Agent({
    node,
    client,
    driver: new NftDriver(homeNetns()),
    conntrack: new Conntrack(homeNetns()),
    families: settings.podNetworks.map((text) => (text.includes(":") ? 6 : 4)),
    denyWith: settings.denyWith,
    serviceNetworks: settings.serviceNetworks,
    log,
  });
  process.on("SIGTERM", () => process.exit(0));
  await nodeIsKnown(client, node, log);
  await agent.start();
  await serve(layout.agentSocket(node), agent, log);
}

/** Policy is held to without it: where there is no room for a socket, we go on without it until there is. */
async function serve(socket: string, agent: Agent, log: (line: string) => void): Promise<void> {
  let told = "";
  for (;;) {
    try {
      await serveAgent(socket, agent);
      return;
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      if (words !== told) log(`the kubelet cannot ask: ${words}`);
      told = words;
    }
    await sleep(SOCKET_PAUSE_MS);
  }
}

/**
 * We may begin before the control plane does: the API answers, and has our node's addresses, a moment later. A node that
 * somebody has deleted is not waited for: its pods are still there.
 */
async function nodeIsKnown(client: HttpClient, name: string, log: (line: string) => void): Promise<void> {
  const began = Date.now();
  let told = "";
  let answered: number | undefined;
  for (;;) {
    let lacking: string;
    try {
      const { status } = await client.get(NODES, { name });
      if (status?.addresses?.length) return;
      lacking = "the node has no address";
      answered ??= Date.now();
    } catch (error) {
      lacking = error instanceof Error ? error.message : String(error);
      if (isReason(error, "NotFound")) answered ??= Date.now();
    }
    if (lacking !== told && Date.now() - began > QUIET_MS) {
      log(`waiting for the API: ${lacking}`);
      told = lacking;
    }
    if (answered !== undefined && Date.now() - answered > NODE_MS) {
      log(`without the node's own addresses: ${lacking}`);
      return;
    }
    await sleep(POLL_MS);
  }
}
