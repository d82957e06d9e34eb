/** @module What every controller is given. */
import type { Client } from "../client/client.ts";
import type { Informers } from "./informers.ts";

export interface Context {
  readonly informers: Informers;
  /** A client that writes in a controller's name. */
  readonly client: (name: string) => Client;
  readonly log: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Controller {
  stop(): void;
}
