/** @module The kubelet's end of the socket at which its node's agent answers. Connects anew when the agent was restarted. */
import { connect, type Socket } from "node:net";
import { OpError } from "../base/errors.ts";
import type { AgentAnswer, AgentRequest } from "../client/agent-protocol.ts";
import { linesOf } from "../client/lines.ts";

export class AgentSocket {
  readonly #path: string;
  #socket: Socket | undefined;
  #next = 1;
  readonly #pending = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws OpError `api-unreachable` when there is no agent, or it does not know the pod */
  ask(request: AgentRequest): Promise<void> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#open().write(`${JSON.stringify({ ...request, id })}\n`);
    });
  }

  #open(): Socket {
    if (this.#socket) return this.#socket;
    const socket = connect(this.#path);
    this.#socket = socket;
    const gone = (error?: Error): void => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      const words = `the agent at ${this.#path} is not there${error ? `: ${error.message}` : ""}`;
      for (const { reject } of this.#pending.values())
        reject(new OpError(words, { code: "api-unreachable" }));
      this.#pending.clear();
    };
    socket.on("error", gone);
    socket.on("close", () => gone());
    linesOf(socket).on("line", (line) => {
      const { id, error } = JSON.parse(line) as AgentAnswer;
      const waiting = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) waiting?.resolve();
      else waiting?.reject(new OpError(error, { code: "api-refused" }));
    });
    return socket;
  }

  close(): void {
    this.#socket?.destroy();
  }
}
