/** @module The process of a node's agent: `tortie agent --name N --node NODE`, started in the node's network namespace. */
import { Agent } from "../agent/agent.ts";
import { serveAgent } from "../agent/socket.ts";
import { OpError } from "../base/errors.ts";
import { HttpClient } from "../client/http-client.ts";
import { Conntrack } from "../linux/conntrack.ts";
import { homeNetns } from "../linux/netns.ts";
import { NftDriver } from "../linux/nft-driver.ts";
import { readCredentials } from "./credentials.ts";
import { layoutOf } from "./layout.ts";
import { readSettings } from "./settings.ts";

export async function runAgent(name: string, node: string): Promise<void> {
  const layout = layoutOf(name);
  const settings = readSettings(layout);
  const credentials = readCredentials(layout);
  if (!settings || !credentials)
    throw new OpError(`there is no cluster ${name}`, { code: "cluster-missing", facts: { name } });
  const log = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  };
  const agent = new Agent({
    node,
    client: new HttpClient({
      server: "http://tortie",
      socketPath: layout.apiSocket,
      token: credentials.tokens[`agent:${node}`] ?? "",
      userAgent: "tortie-agent",
    }),
    driver: new NftDriver(homeNetns()),
    conntrack: new Conntrack(homeNetns()),
    families: settings.podNetworks.map((text) => (text.includes(":") ? 6 : 4)),
    denyWith: settings.denyWith,
    serviceNetworks: settings.serviceNetworks,
    log,
  });
  process.on("SIGTERM", () => process.exit(0));
  await agent.start();
  await serveAgent(layout.agentSocket(node), agent);
}
