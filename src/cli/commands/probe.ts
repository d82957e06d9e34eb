/** @module `tortie probe FROM TO`: what the model says of a running cluster, and what packets say, in two lines. */
import { answer } from "../../analysis/question.ts";
import { FAILURES } from "../../base/errors.ts";
import { becauseLine } from "../../policy/explain.ts";
import { loadCluster } from "../inputs.ts";
import type { Io } from "../io.ts";
import { askPackets, differWords, outcomeWord } from "../live-packets.ts";
import { structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { type ExplainOptions, questionOf } from "./explain.ts";

/** @returns 0 allowed, 1 denied, and the status of disagreeing judges where model and packets differ */
export async function runProbe(io: Io, from: string, to: string, options: ExplainOptions): Promise<number> {
  const question = questionOf(from, to, options);
  const context = options.context ?? true;
  const cluster = await loadCluster(io, { ...options, filename: [], context, spokenOf: [from, to] });
  const model = answer(cluster, question);
  const [packets] = await askPackets(context, cluster, [question]);
  const because = model.problem ?? (model.verdicts[0] ? becauseLine(model.verdicts[0]) : "");
  const agree = packets?.outcome === model.outcome;
  if (options.output) {
    io.out(
      structured(options.output, { question, model: { outcome: model.outcome, because }, packets, agree }),
    );
  } else {
    const paint = paintFor(io);
    const port = question.port === undefined ? "" : ` ${question.port}`;
    io.out(`${from} → ${to} ${question.protocol}${port}`);
    io.out(`  model:   ${outcomeWord(model.outcome, paint)}  ${because}`);
    io.out(`  packets: ${outcomeWord(packets?.outcome ?? "deny", paint)}  ${packets?.because ?? ""}`);
    if (!agree) io.err(differWords(paint));
  }
  if (!agree) return FAILURES["judges-disagree"].exit;
  return model.outcome === "allow" ? 0 : 1;
}
