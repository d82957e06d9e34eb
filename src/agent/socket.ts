/**
 * @module Where the kubelet asks the agent of its node: a Unix socket with lines of JSON. A pod's link may come up when
 * the answer is there, and not before.
 */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import type { AgentAnswer, AgentRequest, PodIdentity } from "../client/agent-protocol.ts";
import { linesOf } from "../client/lines.ts";

export interface AgentHands {
  knows(pod: PodIdentity): boolean;
  addPod(pod: PodIdentity, addresses: readonly string[]): Promise<void>;
  removePod(pod: PodIdentity): void;
}

/** How long a pod may take from the API to us after the kubelet has heard of it. */
const PATIENCE_MS = 10_000;
const LOOK_AGAIN_MS = 2;

export function serveAgent(path: string, agent: AgentHands): Promise<Server> {
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    linesOf(socket).on("line", (line) => {
      const request = requestOf(line);
      if (!request) {
        socket.destroy();
        return;
      }
      serve(agent, request).then(
        () => answer(socket, { id: request.id }),
        (error: unknown) =>
          answer(socket, { id: request.id, error: error instanceof Error ? error.message : String(error) }),
      );
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}

function requestOf(line: string): (AgentRequest & { readonly id: number }) | undefined {
  try {
    return JSON.parse(line) as AgentRequest & { readonly id: number };
  } catch {
    return undefined;
  }
}

async function serve(agent: AgentHands, request: AgentRequest): Promise<void> {
  // We listen only when we are.
  if (request.do === "ready") return;
  if (request.do === "remove") {
    agent.removePod(request);
    return;
  }
  const deadline = Date.now() + PATIENCE_MS;
  // The kubelet and we hear of a pod separately.
  while (!agent.knows(request)) {
    if (Date.now() > deadline) throw new Error(`pod ${request.pod} is not known to the agent`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  await agent.addPod(request, request.addresses);
}

function answer(socket: Socket, value: AgentAnswer): void {
  socket.write(`${JSON.stringify(value)}\n`);
}
