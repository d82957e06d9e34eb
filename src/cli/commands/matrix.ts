/** @module `tortie matrix`: the whole truth table. */

import type { Cluster } from "../../analysis/cluster.ts";
import { allPairs, type PacketKind } from "../../analysis/connectivity.ts";
import { type CellVerdict, type Matrix, matrixOf } from "../../analysis/matrix.ts";
import { FAILURES } from "../../base/errors.ts";
import { isFinished } from "../../policy/from-pod.ts";
import { PROTOCOL } from "../../policy/model.ts";
import { type InputOptions, loadCluster } from "../inputs.ts";
import type { Io } from "../io.ts";
import { matrixLines, SIGN } from "../matrix-text.ts";
import { counted, structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { parsePort, parseProtocol } from "./explain.ts";

export interface MatrixOptions extends InputOptions {
  readonly port?: string;
  readonly protocol?: string;
  readonly pods?: boolean;
  readonly output?: "json" | "yaml" | "csv" | "md";
  /** Ask the packets of the running cluster too. */
  readonly probe?: boolean;
}

function packetKind(options: MatrixOptions, family: 4 | 6): PacketKind {
  const protocol = parseProtocol(options.protocol);
  if (protocol === "ICMP") {
    return family === 4
      ? { family, protocol: PROTOCOL.ICMP, icmp: { type: 8, code: 0 } }
      : { family, protocol: PROTOCOL.ICMPv6, icmp: { type: 128, code: 0 } };
  }
  return { family, protocol: PROTOCOL[protocol], port: parsePort(options.port ?? "80") };
}

export async function runMatrix(io: Io, options: MatrixOptions): Promise<number> {
  packetKind(options, 4);
  const live = options.probe ? await import("../live-packets.ts") : undefined;
  live?.checkProbe(options);
  const cluster = await loadCluster(io, options);
  const hasV4 = [...cluster.graph.endpoints.values()].some(({ endpoint }) =>
    endpoint.addresses.some(({ family }) => family === 4),
  );
  const kind = packetKind(options, hasV4 || cluster.graph.endpoints.size === 0 ? 4 : 6);
  const matrix = matrixOf(allPairs(cluster.graph, kind), options.pods === true);
  for (const text of render(matrix, options, io)) io.out(text);
  if (options.output === undefined) tellLeftOut(io, cluster);
  return live ? await holdAgainst(live, io, cluster, matrix, options) : 0;
}

/** Tells what packets say: on standard error where standard output is a program's. */
async function holdAgainst(
  { probeMatrix }: typeof import("../live-packets.ts"),
  io: Io,
  cluster: Cluster,
  matrix: Matrix,
  options: MatrixOptions,
): Promise<number> {
  const protocol = parseProtocol(options.protocol);
  const port = protocol === "ICMP" ? {} : { port: parsePort(options.port ?? "80") };
  const { asked, differences } = await probeMatrix(options.context, cluster, matrix, { protocol, ...port });
  const paint = paintFor(io);
  const tell = (line: string): void => (options.output === undefined ? io.out(line) : io.err(line));
  if (differences.length === 0) {
    tell(paint.good(`packets say the same of all ${counted(asked, "pair")}`));
    return 0;
  }
  tell(paint.bad(`packets say something else of ${differences.length} of ${counted(asked, "pair")}:`));
  for (const { from, to, model, packets } of differences)
    tell(`  ${from} → ${to}: the model says ${model}, packets say ${packets}`);
  return FAILURES["judges-disagree"].exit;
}

/** Pods without an address of their own have no row. */
function tellLeftOut(io: Io, cluster: Cluster): void {
  const host = [...cluster.pods.values()].filter((pod) => pod.spec.hostNetwork && !isFinished(pod)).length;
  if (host > 0)
    io.out(
      paintFor(io).dim(
        `${counted(host, "pod")} on the host's network ${host === 1 ? "has" : "have"} no row: they are their nodes`,
      ),
    );
}

/** Texts to print one after the other: a table of thousands of workloads is never held whole. */
function* render(matrix: Matrix, options: MatrixOptions, io: Io): Iterable<string> {
  const { groups } = matrix;
  const protocol = parseProtocol(options.protocol);
  const port = protocol === "ICMP" ? undefined : parsePort(options.port ?? "80");
  switch (options.output) {
    case "json": {
      const head = { protocol, ...(port !== undefined && { port }), groups };
      yield `${structured("json", head).slice(0, -"\n}".length)},\n  "pairs": [`;
      const last = groups.length - 1;
      for (const row of pairRows(matrix, (pair) => `    ${JSON.stringify(pair)}`)) {
        const comma = row.from === last ? "" : ",";
        yield `${row.pairs.join(",\n")}${comma}`;
      }
      yield "  ]\n}";
      return;
    }
    case "yaml":
      yield structured("yaml", { protocol, ...(port !== undefined && { port }), groups });
      yield groups.length === 0 ? "pairs: []" : "pairs:";
      // JSON's mappings are YAML's flow mappings.
      for (const { pairs } of pairRows(matrix, (pair) => `  - ${JSON.stringify(pair)}`))
        yield pairs.join("\n");
      return;
    case "csv":
      yield "from,to,verdict";
      for (const { pairs } of pairRows(matrix, ({ from, to, verdict }) =>
        [from, to, verdict].map(csvField).join(","),
      ))
        yield pairs.join("\n");
      return;
    case "md": {
      const titles = groups.map(({ name, pods }) =>
        pods.length === 1 ? name : `${name} (${pods.length} pods)`,
      );
      yield `| from \\ to | ${titles.join(" | ")} |`;
      yield `|---|${groups.map(() => ":-:").join("|")}|`;
      for (const [from, title] of titles.entries())
        yield `| ${title} | ${titles.map((_, to) => SIGN[matrix.cell(from, to)]).join(" | ")} |`;
      return;
    }
    default:
      yield* matrixLines(matrix, port === undefined ? protocol : `${protocol} ${port}`, paintFor(io));
  }
}

interface Pair {
  readonly from: string;
  readonly to: string;
  readonly verdict: CellVerdict;
}

/** The table's pairs as text, a source's at a time. */
function* pairRows(
  matrix: Matrix,
  format: (pair: Pair) => string,
): Iterable<{ readonly from: number; readonly pairs: readonly string[] }> {
  const names = matrix.groups.map(({ name }) => name);
  for (const [from, source] of names.entries()) {
    const pairs = names.map((to, index) => format({ from: source, to, verdict: matrix.cell(from, index) }));
    yield { from, pairs };
  }
}

/** @see https://www.rfc-editor.org/rfc/rfc4180 */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
