/** @module Connections that a judge without packets remembers: once allowed, no policy breaks them. */
import type { Question } from "../analysis/question.ts";
import { type Observation, questionKey } from "./judge.ts";

export const NEVER_OPENED: Observation = {
  outcome: "deny",
  because: "no connection is there: a new one was not allowed in any earlier step",
};

const ESTABLISHED: Observation = {
  outcome: "allow",
  because: "the connection was opened before; a policy never breaks it",
};

export class OpenedConnections {
  readonly #keys = new Set<string>();

  /** @param now - what a new connection would come to. @returns whether it is open from now on */
  open(question: Question, now: Observation): boolean {
    if (now.outcome !== "allow") return false;
    this.#keys.add(questionKey(question));
    return true;
  }

  check(question: Question): Observation {
    return this.#keys.has(questionKey(question)) ? ESTABLISHED : NEVER_OPENED;
  }
}
