/** @module What became of each resource of a call, told as calicoctl tells it. */
import { formatIssue, type Issue } from "../../base/issue.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { type ObjectRef, refText } from "./manifest.ts";

export type Verb = "apply" | "create" | "replace" | "delete" | "patch" | "label";

export type Outcome =
  | {
      readonly kind: "handled";
      readonly ref: ObjectRef;
      readonly result: "created" | "updated" | "unchanged" | "deleted" | "skipped";
      /** File that holds it, or held it. */
      readonly place?: string;
    }
  | {
      readonly kind: "failed";
      /** undefined for what is of no kind that ctl knows. */
      readonly ref?: ObjectRef;
      readonly message: string;
      readonly issues: readonly Issue[];
      /** 1: the store does not allow it; 2: the input is bad. */
      readonly exit: 1 | 2;
    };

export interface OutcomeOptions {
  readonly output?: "json" | "yaml";
  readonly dryRun?: boolean;
}

const PAST: Readonly<Record<Verb, string>> = {
  apply: "applied",
  create: "created",
  replace: "replaced",
  delete: "deleted",
  patch: "patched",
  label: "labelled",
};

export function failed(ref: ObjectRef, message: string, exit: 1 | 2 = 1): Outcome {
  return { kind: "failed", ref, message, issues: [], exit };
}

export function invalid(ref: ObjectRef, issues: readonly Issue[]): Outcome {
  return {
    kind: "failed",
    ref,
    message: `${refText(ref)} is not valid, and was not written`,
    issues,
    exit: 2,
  };
}

/** @returns the exit status */
export function reportOutcomes(
  io: Io,
  verb: Verb,
  outcomes: readonly Outcome[],
  options: OutcomeOptions,
): number {
  const failures = outcomes.filter((outcome) => outcome.kind === "failed");
  if (options.output) io.out(structured(options.output, outcomeData(verb, outcomes, options)));
  else tell(io, verb, outcomes, options);
  return failures.reduce((worst, { exit }) => Math.max(worst, exit), 0);
}

function outcomeData(verb: Verb, outcomes: readonly Outcome[], { dryRun }: OutcomeOptions): object {
  const name = ({ kind, namespace, name: own }: ObjectRef): object => ({
    apiVersion: kind.apiVersion,
    kind: kind.name,
    ...(namespace !== "" && { namespace }),
    name: own,
  });
  return {
    verb,
    dryRun: dryRun === true,
    resources: outcomes.flatMap((outcome) =>
      outcome.kind === "handled"
        ? { ...name(outcome.ref), result: outcome.result, ...(outcome.place && { file: outcome.place }) }
        : [],
    ),
    errors: outcomes.flatMap((outcome) =>
      outcome.kind === "failed"
        ? { ...(outcome.ref && name(outcome.ref)), message: outcome.message, issues: outcome.issues }
        : [],
    ),
  };
}

function tell(io: Io, verb: Verb, outcomes: readonly Outcome[], options: OutcomeOptions): void {
  const paint = paintFor(io);
  const handled = outcomes.filter((outcome) => outcome.kind === "handled");
  const kinds = new Set(outcomes.map(({ ref }) => ref?.kind.name));
  const [only] = kinds;
  const noun = kinds.size === 1 && only !== undefined ? `'${only}' ` : "";
  const dry = options.dryRun ? " (dry run: nothing was written)" : "";
  if (outcomes.length === 0) io.out("No resources specified");
  else if (handled.length === outcomes.length)
    io.out(`Successfully ${PAST[verb]} ${handled.length} ${noun}resource(s)${dry}`);
  else if (handled.length > 0)
    io.out(
      `Partial success: ${PAST[verb]} ${handled.length} out of ${outcomes.length} ${noun}resources${dry}`,
    );
  for (const outcome of outcomes) {
    if (outcome.kind === "handled") continue;
    for (const issue of outcome.issues) io.err(paint.bad(formatIssue(issue)));
    const what = outcome.ref ? `'${outcome.ref.kind.name}' ` : "";
    io.err(paint.bad(`Failed to ${verb} ${what}resource: ${outcome.message}`));
  }
}
