/** @module The model as a judge: verdicts over identities. */

import type { Cluster } from "../analysis/cluster.ts";
import { answer, type Question } from "../analysis/question.ts";
import { becauseLine } from "../policy/explain.ts";
import { type Judge, type Observation, questionKey } from "./judge.ts";

export class ModelJudge implements Judge {
  readonly name = "model";
  #cluster: Cluster | undefined;
  readonly #opened = new Set<string>();

  follow(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  ask(questions: readonly Question[]): readonly Observation[] {
    return questions.map((question) => this.#answer(question));
  }

  open(question: Question): boolean {
    if (this.#answer(question).outcome !== "allow") return false;
    this.#opened.add(questionKey(question));
    return true;
  }

  check(question: Question): Observation {
    return this.#opened.has(questionKey(question)) ? ESTABLISHED : NEVER_OPENED;
  }

  close(): void {
    this.#opened.clear();
  }

  #answer(question: Question): Observation {
    if (!this.#cluster) throw new Error("asked before the first sync");
    const { outcome, problem, verdicts } = answer(this.#cluster, question);
    if (problem !== undefined) return { outcome: "deny", because: problem };
    const telling = verdicts.find(({ allowed }) => allowed === (outcome === "allow")) ?? verdicts[0];
    return { outcome, because: telling ? becauseLine(telling) : "" };
  }
}

export const ESTABLISHED: Observation = {
  outcome: "allow",
  because: "the connection was opened before; a policy never breaks it",
};
export const NEVER_OPENED: Observation = {
  outcome: "deny",
  because: "no connection is there: a new one was not allowed in any earlier step",
};
