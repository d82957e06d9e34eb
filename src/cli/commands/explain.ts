/** @module `tortie explain FROM TO`: the verdict, and why. */
import { type Answer, answer, type Question } from "../../analysis/question.ts";
import { OpError } from "../../base/errors.ts";
import { formatIp } from "../../base/ip.ts";
import { explain, verdictData } from "../../policy/explain.ts";
import type { Verdict } from "../../policy/verdict.ts";
import { type InputOptions, loadCluster } from "../inputs.ts";
import type { Io } from "../io.ts";
import { structured } from "../output.ts";
import { type Paint, paintFor } from "../paint.ts";

export interface ExplainOptions extends InputOptions {
  readonly port?: string;
  readonly protocol?: string;
  readonly output?: "json" | "yaml";
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

export async function runExplain(io: Io, from: string, to: string, options: ExplainOptions): Promise<number> {
  const protocol = parseProtocol(options.protocol);
  if (protocol !== "ICMP" && options.port === undefined) {
    throw new OpError("which port? give --port N or --port NAME, or --protocol ICMP for ping", {
      code: "input-invalid",
    });
  }
  const question: Question = {
    from,
    to,
    protocol,
    ...(options.port !== undefined && protocol !== "ICMP" && { port: parsePort(options.port) }),
  };
  const cluster = await loadCluster(io, { ...options, spokenOf: [from, to] });
  const result = answer(cluster, question);
  if (options.output) io.out(structured(options.output, answerData(question, result)));
  else for (const line of answerLines(question, result, paintFor(io))) io.out(line);
  return result.outcome === "allow" ? 0 : 1;
}

function answerData(question: Question, result: Answer): unknown {
  return {
    question,
    outcome: result.outcome,
    ...(result.problem !== undefined && { because: result.problem }),
    ...(result.service && {
      service: {
        name: result.service.name,
        port: result.service.port,
        ...(result.service.address && { address: formatIp(result.service.address) }),
      },
    }),
    verdicts: result.verdicts.map(verdictData),
  };
}

function answerLines(question: Question, result: Answer, paint: Paint): string[] {
  if (result.problem !== undefined)
    return [`${question.from} → ${question.to}: ${paint.bad("DENIED")}`, `  ${result.problem}`];
  const lines: string[] = [];
  const word = { allow: paint.good("ALLOWED"), deny: paint.bad("DENIED"), mixed: paint.warn("MIXED") };
  const { service, meant } = result;
  if (service) {
    const some = result.outcome === "mixed" ? ": some connections are allowed, some are not" : "";
    const address = service.address ? formatIp(service.address) : "(headless)";
    lines.push(`Service ${service.name} ${address}:${service.port}: ${word[result.outcome]}${some}`);
  } else if (result.outcome === "mixed") {
    lines.push(`${question.from} → ${question.to}: ${word.mixed}: some of their pods can, some cannot`);
  }
  // Backends of one workload are mostly treated alike: each distinct reason is told once.
  const told = new Map<string, { lines: string[]; count: number }>();
  for (const verdict of result.verdicts) {
    const [head = "", ...rest] = explain(verdict);
    const key = `${verdict.allowed} ${withoutParties(rest.join("\n"), verdict)}`;
    const known = told.get(key);
    if (known) known.count++;
    else told.set(key, { lines: [colourHead(head, paint), ...rest], count: 1 });
  }
  for (const { lines: text, count } of told.values()) {
    lines.push(...text);
    if (count > 1) lines.push(paint.dim(`  (and ${count - 1} more like it)`));
  }
  const sides = [
    ...(meant.from > 1 ? [`from each of the ${meant.from} pods of ${question.from}`] : []),
    ...(meant.to > 1 ? [`to each of the ${meant.to} pods of ${question.to}`] : []),
  ];
  if (result.outcome !== "mixed" && sides.length > 0)
    lines.push(paint.dim(`  ${result.outcome === "allow" ? "allowed" : "denied"} ${sides.join(" ")}`));
  return lines;
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
