/**
 * @module Judges: those who can say whether a connection is possible. The model answers from identities, the ruleset
 * from compiled tables that it interprets, the kernel from packets (`lab/kernel-judge.ts`). They are asked the same.
 */
import type { Cluster, ClusterChange } from "../analysis/cluster.ts";
import type { Question } from "../analysis/question.ts";

export type JudgeName = "model" | "ruleset" | "kernel";

export interface Observation {
  readonly outcome: "allow" | "deny" | "mixed";
  /** Why, in one line. */
  readonly because: string;
}

export interface Judge {
  readonly name: JudgeName;
  /** The cluster was synced: bring what you hold in step. Called before the first question and after each change. */
  follow(cluster: Cluster, change: ClusterChange): void | Promise<void>;
  /** New connections, one answer a question, in order. */
  ask(questions: readonly Question[]): readonly Observation[] | Promise<readonly Observation[]>;
  /** Opens a connection that {@link check} asks about later. @returns whether it could be opened */
  open(question: Question): boolean | Promise<boolean>;
  /** Whether a connection opened before still carries data. */
  check(question: Question): Observation | Promise<Observation>;
  /** Whether what the judge holds is what it should hold; where not, what differs, in words. Asked after each stage. */
  audit?(): readonly string[] | Promise<readonly string[]>;
  close(): void | Promise<void>;
}

/** Questions by what they ask, so that an opened connection is found again. */
export function questionKey(question: Question): string {
  return JSON.stringify([
    question.from,
    question.to,
    question.port ?? null,
    question.protocol,
    question.icmpType ?? null,
    question.icmpCode ?? null,
  ]);
}
