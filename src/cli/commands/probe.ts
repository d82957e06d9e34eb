/** @module `tortie probe FROM TO`: what the model says of a running cluster, and what packets say. */
import { answer, type Question } from "../../analysis/question.ts";
import { FAILURES } from "../../base/errors.ts";
import { readContext } from "../../client/kubeconfig.ts";
import { LiveJudge, layoutOfContext } from "../../cluster/live-judge.ts";
import { becauseLine } from "../../policy/explain.ts";
import { loadWithOptions } from "../inputs.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { type ExplainOptions, parsePort, parseProtocol } from "./explain.ts";

/** @returns 0 allowed, 1 denied, and the status of disagreeing judges where model and packets differ */
export async function runProbe(io: Io, from: string, to: string, options: ExplainOptions): Promise<number> {
  const protocol = parseProtocol(options.protocol);
  const question: Question = {
    from,
    to,
    protocol,
    ...(options.port !== undefined && { port: parsePort(options.port) }),
  };
  const context = readContext(typeof options.context === "string" ? options.context : undefined);
  const layout = layoutOfContext(context.name);
  const { cluster } = await loadWithOptions(io, {
    ...options,
    filename: [],
    context: context.name,
    spokenOf: [from, to],
  });
  const model = answer(cluster, question);
  const judge = new LiveJudge(layout);
  judge.follow(cluster, { network: undefined, graph: cluster.graph.flush(), services: [] });
  const [packets] = await judge.ask([question]);
  const because = model.problem ?? (model.verdicts[0] ? becauseLine(model.verdicts[0]) : "");
  const agree = packets?.outcome === model.outcome;
  if (options.output) {
    io.out(
      structured(options.output, { question, model: { outcome: model.outcome, because }, packets, agree }),
    );
  } else {
    const paint = paintFor(io);
    const word = (outcome: string): string =>
      outcome === "allow"
        ? paint.good("ALLOWED")
        : outcome === "deny"
          ? paint.bad("DENIED")
          : paint.warn("MIXED");
    const port = question.port === undefined ? "" : ` ${question.port}`;
    io.out(`${from} → ${to} ${protocol}${port}`);
    io.out(`  model:   ${word(model.outcome)}  ${because}`);
    io.out(`  packets: ${word(packets?.outcome ?? "deny")}  ${packets?.because ?? ""}`);
    if (!agree)
      io.err(
        paint.warn(
          "  they differ: a change may be on its way, or nobody listens; ask again, and report it if it stays so",
        ),
      );
  }
  if (!agree) return FAILURES["judges-disagree"].exit;
  return model.outcome === "allow" ? 0 : 1;
}
