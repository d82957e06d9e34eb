/** @module What a kubelet asks of the agent on its node, a line of JSON each, and what it is told. */

export type AgentRequest =
  | { readonly do: "add"; readonly pod: string; readonly addresses: readonly string[] }
  | { readonly do: "remove"; readonly pod: string }
  /** Answered when everything that the API says is in force. */
  | { readonly do: "ready" };

export interface AgentAnswer {
  readonly id: number;
  readonly error?: string;
}
