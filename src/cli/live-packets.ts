/** @module What the packets of a running cluster say, beside the model's word. */
import type { Cluster } from "../analysis/cluster.ts";
import type { CellVerdict, Matrix } from "../analysis/matrix.ts";
import type { Question } from "../analysis/question.ts";
import { OpError } from "../base/errors.ts";
import { readContext } from "../client/kubeconfig.ts";
import { LiveJudge, layoutOfContext } from "../cluster/live-judge.ts";
import type { Observation } from "../judges/judge.ts";
import type { InputOptions } from "./inputs.ts";
import type { Paint } from "./paint.ts";

/** More than that take minutes where they are denied: the silence is waited for. */
const MOST_PAIRS = 20_000;

export interface Difference {
  readonly from: string;
  readonly to: string;
  readonly model: CellVerdict;
  readonly packets: CellVerdict;
}

/** @throws OpError `input-invalid` where there is nobody to send packets, or they cannot know what is asked */
export function checkProbe({ context, filename }: InputOptions): void {
  if (context === undefined)
    throw new OpError("--probe sends packets in a running cluster: name it with --context", {
      code: "input-invalid",
    });
  if (filename.length > 0)
    throw new OpError("--probe asks what runs; files with -f ask what would be: leave one of them out", {
      code: "input-invalid",
    });
  layoutOfContext(readContext(context === true ? undefined : context).name);
}

/** @param cluster - as its API has it. @returns in the order of the questions. @throws OpError `cluster-missing` */
export function askPackets(
  context: string | true | undefined,
  cluster: Cluster,
  questions: readonly Question[],
): Promise<readonly Observation[]> {
  const { name } = readContext(typeof context === "string" ? context : undefined);
  return new LiveJudge(layoutOfContext(name), cluster).ask(questions);
}

/**
 * Asks each pod of each group for each other pod.
 * @param question - the part that is the same for all
 * @returns how many cells were asked, and those where packets say something else than the model
 * @throws OpError `input-invalid` for more pairs than can be waited for
 */
export async function probeMatrix(
  context: string | true | undefined,
  cluster: Cluster,
  { groups, cell }: Matrix,
  question: Pick<Question, "protocol" | "port">,
): Promise<{ readonly asked: number; readonly differences: readonly Difference[] }> {
  const pods = groups.reduce((sum, group) => sum + group.pods.length, 0);
  if (pods * (pods - 1) > MOST_PAIRS) {
    throw new OpError(
      `${pods} pods are ${pods * (pods - 1)} pairs to send packets between, and ${MOST_PAIRS} are the most; ask for one pair with: tortie explain FROM TO --context --probe`,
      { code: "input-invalid", facts: { pods } },
    );
  }
  const cells = groups.flatMap((source, from) =>
    groups.map((destination, to) => ({
      from: source.name,
      to: destination.name,
      model: cell(from, to),
      pairs: source.pods.flatMap((a) =>
        destination.pods.flatMap((b) => (a === b ? [] : [{ ...question, from: a, to: b }])),
      ),
    })),
  );
  const told = await askPackets(
    context,
    cluster,
    cells.flatMap(({ pairs }) => pairs),
  );
  const differences: Difference[] = [];
  let next = 0;
  let asked = 0;
  for (const { from, to, model, pairs } of cells) {
    if (pairs.length === 0) continue;
    asked++;
    const outcomes = new Set(told.slice(next, next + pairs.length).map(({ outcome }) => outcome));
    next += pairs.length;
    const [only = "mixed"] = outcomes;
    const packets = outcomes.size === 1 ? only : "mixed";
    if (packets !== model) differences.push({ from, to, model, packets });
  }
  return { asked, differences };
}

/** `ALLOWED`, in its colour. */
export function outcomeWord(outcome: CellVerdict, paint: Paint): string {
  return { allow: paint.good("ALLOWED"), deny: paint.bad("DENIED"), mixed: paint.warn("MIXED") }[outcome];
}

export function differWords(paint: Paint): string {
  return paint.warn("  they differ: a change may be on its way; ask again, and report it if it stays so");
}
