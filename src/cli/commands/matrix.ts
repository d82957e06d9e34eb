/** @module `tortie matrix`: the whole truth table. */
import { allPairs, type PacketKind } from "../../analysis/connectivity.ts";
import { type Matrix, matrixOf, quotient } from "../../analysis/matrix.ts";
import { PROTOCOL } from "../../policy/model.ts";
import { type InputOptions, loadCluster } from "../inputs.ts";
import type { Io } from "../io.ts";
import { matrixLines, SIGN } from "../matrix-text.ts";
import { structured } from "../output.ts";
import { paintFor } from "../paint.ts";
import { parsePort, parseProtocol } from "./explain.ts";

export interface MatrixOptions extends InputOptions {
  readonly port?: string;
  readonly protocol?: string;
  readonly pods?: boolean;
  readonly output?: "json" | "yaml" | "csv" | "md";
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
  const cluster = await loadCluster(io, options);
  const hasV4 = [...cluster.graph.endpoints.values()].some(({ endpoint }) =>
    endpoint.addresses.some(({ family }) => family === 4),
  );
  const kind = packetKind(options, hasV4 || cluster.graph.endpoints.size === 0 ? 4 : 6);
  const matrix = matrixOf(allPairs(cluster.graph, kind), options.pods === true);
  for (const line of render(matrix, options, io)) io.out(line);
  return 0;
}

function render(matrix: Matrix, options: MatrixOptions, io: Io): string[] {
  const { groups, cells } = matrix;
  switch (options.output) {
    case "json":
    case "yaml": {
      const protocol = parseProtocol(options.protocol);
      const pairs = groups.flatMap((from, row) =>
        groups.map((to, column) => ({
          from: from.name,
          to: to.name,
          verdict: cells[row]?.[column] ?? "deny",
        })),
      );
      const port = protocol === "ICMP" ? {} : { port: parsePort(options.port ?? "80") };
      return [structured(options.output, { protocol, ...port, groups, pairs })];
    }
    case "csv":
      return [
        "from,to,verdict",
        ...groups.flatMap((from, row) =>
          groups.map((to, column) => `${from.name},${to.name},${cells[row]?.[column] ?? "deny"}`),
        ),
      ];
    case "md": {
      const title = ({ name, pods }: Matrix["groups"][number]): string =>
        pods.length === 1 ? name : `${name} (${pods.length} pods)`;
      return [
        `| from \\ to | ${groups.map(title).join(" | ")} |`,
        `|---|${groups.map(() => ":-:").join("|")}|`,
        ...groups.map(
          (from, row) => `| ${title(from)} | ${(cells[row] ?? []).map((cell) => SIGN[cell]).join(" | ")} |`,
        ),
      ];
    }
    default:
      return matrixLines(matrix, quotient(matrix), paintFor(io));
  }
}
