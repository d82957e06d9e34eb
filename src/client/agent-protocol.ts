/** @module What a kubelet asks of the agent on its node, a line of JSON each, and what it is told. */

export type AgentRequest =
  | ({ readonly do: "add"; readonly addresses: readonly string[] } & PodIdentity)
  | ({ readonly do: "remove" } & PodIdentity)
  /** Answered when everything that the API says is in force. */
  | { readonly do: "ready" };

export interface PodIdentity {
  /** `namespace/name` */
  readonly pod: string;
  /** Another pod may have had the name. */
  readonly uid: string;
}

export interface AgentAnswer {
  readonly id: number;
  readonly error?: string;
}
