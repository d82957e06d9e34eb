/** @module The model as a judge: verdicts over identities. */

import type { Cluster } from "../analysis/cluster.ts";
import { answer, type Question } from "../analysis/question.ts";
import { becauseLine } from "../policy/explain.ts";
import type { Judge, Observation } from "./judge.ts";
import { OpenedConnections } from "./opened.ts";

export class ModelJudge implements Judge {
  readonly name = "model";
  #cluster: Cluster | undefined;
  readonly #opened = new OpenedConnections();

  follow(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  ask(questions: readonly Question[]): readonly Observation[] {
    return questions.map((question) => this.#answer(question));
  }

  open(question: Question): boolean {
    return this.#opened.open(question, this.#answer(question));
  }

  check(question: Question): Observation {
    return this.#opened.check(question);
  }

  close(): void {
    this.#cluster = undefined;
  }

  #answer(question: Question): Observation {
    if (!this.#cluster) throw new Error("asked before the first sync");
    const { outcome, problem, verdicts } = answer(this.#cluster, question);
    if (problem !== undefined) return { outcome: "deny", because: problem };
    const telling = verdicts.find(({ allowed }) => allowed === (outcome === "allow")) ?? verdicts[0];
    return { outcome, because: telling ? becauseLine(telling) : "" };
  }
}
