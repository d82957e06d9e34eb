/** @module `tortie explain FROM TO`: the verdict, and why. */
import type { Cluster } from "../../analysis/cluster.ts";
import { previewAnswer } from "../../analysis/preview.ts";
import { type Answer, answer, type Question } from "../../analysis/question.ts";
import { FAILURES, OpError } from "../../base/errors.ts";
import { formatIp } from "../../base/ip.ts";
import { becauseLine, explain, explainWalk, verdictData } from "../../policy/explain.ts";
import { type PointTrace, traceVerdict } from "../../policy/trace.ts";
import { traceData, traceLines } from "../../policy/trace-text.ts";
import type { Verdict } from "../../policy/verdict.ts";
import type { World } from "../../policy/world.ts";
import { type InputOptions, loadWithOptions } from "../inputs.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { type Paint, paintFor } from "../paint.ts";

export interface ExplainOptions extends InputOptions {
  readonly port?: string;
  readonly protocol?: string;
  readonly output?: "json" | "yaml";
  /** Every tier, policy and rule that was asked. */
  readonly all?: boolean;
  /** With `all`: rules that do not match too, however many. */
  readonly verbose?: boolean;
  /** Ask the packets of the running cluster too. */
  readonly probe?: boolean;
}

const PROTOCOLS = ["TCP", "UDP", "SCTP", "ICMP"] as const;

/** @throws OpError `input-invalid` */
export function parseProtocol(text: string | undefined): Question["protocol"] {
  const wanted = (text ?? "TCP").toUpperCase();
  const protocol = PROTOCOLS.find((candidate) => candidate === wanted);
  if (!protocol)
    throw new OpError(`unknown protocol ${text}: one of ${PROTOCOLS.join(", ")}`, { code: "input-invalid" });
  return protocol;
}

/** A number from 1 to 65535, or a port's name. @throws OpError `input-invalid` */
export function parsePort(text: string): number | string {
  if (!/^[0-9]+$/.test(text)) {
    if (/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text) && text.length <= 15) return text;
    throw new OpError(`${text} is no port: a number from 1 to 65535, or a port's name`, {
      code: "input-invalid",
    });
  }
  const port = Number(text);
  if (port < 1 || port > 65535)
    throw new OpError(`port ${text} is not between 1 and 65535`, { code: "input-invalid" });
  return port;
}

/** @throws OpError `input-invalid` */
export function questionOf(from: string, to: string, options: ExplainOptions): Question {
  const protocol = parseProtocol(options.protocol);
  if (protocol !== "ICMP" && options.port === undefined) {
    throw new OpError("which port? give --port N or --port NAME, or --protocol ICMP for ping", {
      code: "input-invalid",
    });
  }
  if (protocol === "ICMP" && options.port !== undefined)
    throw new OpError("ICMP has no ports: leave --port out", { code: "input-invalid" });
  return { from, to, protocol, ...(options.port !== undefined && { port: parsePort(options.port) }) };
}

export async function runExplain(io: Io, from: string, to: string, options: ExplainOptions): Promise<number> {
  const question = questionOf(from, to, options);
  const live = options.probe ? await import("../live-packets.ts") : undefined;
  live?.checkProbe(options);
  const loaded = await loadWithOptions(io, { ...options, spokenOf: [from, to] });
  const told: Told = {
    question,
    result: answer(loaded.cluster, question),
    preview: previewAnswer(loaded.cluster, loaded.options, question),
    trace: tracer(loaded.cluster),
  };
  const [packets] = (await live?.askPackets(options.context, loaded.cluster, [question])) ?? [];
  const agree = packets === undefined || packets.outcome === told.result.outcome;
  if (options.output)
    io.out(structured(options.output, answerData(told, options.all === true, packets && { packets, agree })));
  else {
    const paint = paintFor(io);
    for (const line of answerLines(told, options, paint)) io.out(line);
    if (live && packets) io.out(`  packets: ${live.outcomeWord(packets.outcome, paint)}  ${packets.because}`);
    if (live && !agree) io.err(live.differWords(paint));
  }
  if (!agree) return FAILURES["judges-disagree"].exit;
  return told.result.outcome === "allow" ? 0 : 1;
}

/** What there is to tell. */
interface Told {
  readonly question: Question;
  readonly result: Answer;
  readonly preview: ReturnType<typeof previewAnswer>;
  readonly trace: (verdict: Verdict) => readonly PointTrace[];
}

/** The walk of a verdict is computed where it is told. */
function tracer(cluster: Cluster): Told["trace"] {
  let world: World | undefined;
  return (verdict) => {
    world ??= cluster.graph.world();
    return traceVerdict(world, verdict);
  };
}

function answerData(
  { question, result, preview, trace }: Told,
  all: boolean,
  packets: object | undefined,
): unknown {
  return {
    question,
    outcome: result.outcome,
    ...packets,
    ...(result.problem !== undefined && { because: result.problem }),
    ...(result.service && {
      service: {
        name: result.service.name,
        port: result.service.port,
        ...(result.service.address && { address: formatIp(result.service.address) }),
      },
    }),
    ...(preview && { staged: { outcome: preview.answer.outcome, because: stagedBecause(preview) } }),
    verdicts: result.verdicts.map((verdict) => ({
      ...verdictData(verdict),
      ...(all && { walk: traceData(verdict, trace(verdict)) }),
    })),
  };
}

function stagedBecause({ answer: { problem }, telling }: NonNullable<Told["preview"]>): string {
  return problem ?? (telling ? becauseLine(telling) : "");
}

const OUTCOME = { allow: "ALLOWED", deny: "DENIED", mixed: "MIXED" } as const;

function answerLines(told: Told, options: ExplainOptions, paint: Paint): string[] {
  const { question, result, preview } = told;
  const staged = preview
    ? [paint.warn(`  staged: would be ${OUTCOME[preview.answer.outcome]}: ${stagedBecause(preview)}`)]
    : [];
  if (result.problem !== undefined)
    return [`${question.from} → ${question.to}: ${paint.bad("DENIED")}`, `  ${result.problem}`, ...staged];
  return [
    ...headLines(told, paint),
    ...verdictLines(told, options, paint),
    ...meantLines(told, paint),
    ...staged,
  ];
}

/** What precedes the single connections. */
function headLines({ question, result }: Told, paint: Paint): string[] {
  const word = { allow: paint.good("ALLOWED"), deny: paint.bad("DENIED"), mixed: paint.warn("MIXED") };
  const { service, outcome } = result;
  if (service) {
    const some = outcome === "mixed" ? ": some connections are allowed, some are not" : "";
    const address = service.address ? formatIp(service.address) : "(headless)";
    return [`Service ${service.name} ${address}:${service.port}: ${word[outcome]}${some}`];
  }
  return outcome === "mixed"
    ? [`${question.from} → ${question.to}: ${word.mixed}: some of their pods can, some cannot`]
    : [];
}

/** Backends of one workload are mostly treated alike: each distinct reason is told once. */
function verdictLines({ result, trace }: Told, options: ExplainOptions, paint: Paint): string[] {
  const kinds = new Map<string, { readonly verdict: Verdict; count: number }>();
  for (const verdict of result.verdicts) {
    const [, ...rest] = explain(verdict);
    const key = `${verdict.allowed} ${withoutParties(rest.join("\n"), verdict)}`;
    const known = kinds.get(key);
    if (known) known.count++;
    else kinds.set(key, { verdict, count: 1 });
  }
  return [...kinds.values()].flatMap(({ verdict, count }) => {
    const traces = trace(verdict);
    const [head = "", ...rest] = options.all
      ? traceLines(verdict, traces, options.verbose ? Number.POSITIVE_INFINITY : undefined)
      : explainWalk(verdict, traces);
    return [
      colourHead(head, paint),
      ...rest,
      ...(count > 1 ? [paint.dim(`  (and ${count - 1} more like it)`)] : []),
    ];
  });
}

function meantLines({ question, result: { meant, outcome } }: Told, paint: Paint): string[] {
  const sides = [
    ...(meant.from > 1 ? [`from each of the ${meant.from} pods of ${question.from}`] : []),
    ...(meant.to > 1 ? [`to each of the ${meant.to} pods of ${question.to}`] : []),
  ];
  return outcome !== "mixed" && sides.length > 0
    ? [paint.dim(`  ${outcome === "allow" ? "allowed" : "denied"} ${sides.join(" ")}`)]
    : [];
}

/** The reasons alone: whoever they are about, they are told once. */
function withoutParties(text: string, { flow }: Verdict): string {
  return [flow.source, flow.destination].reduce(
    (left, party) => (party.kind === "endpoint" ? left.replaceAll(party.endpoint.id, "") : left),
    text,
  );
}

function colourHead(head: string, paint: Paint): string {
  return head.replace(/ALLOWED$/, paint.good("ALLOWED")).replace(/DENIED$/, paint.bad("DENIED"));
}
