/** @module What is special about each kind: defaults, what the server decides, validation. One file a kind under `kinds/`. */
import type { Strategy } from "./served.ts";

const STRATEGIES: Readonly<Record<string, Strategy>> = {};

export function strategyOf(kind: string): Strategy {
  return Object.hasOwn(STRATEGIES, kind) ? (STRATEGIES[kind] as Strategy) : {};
}
