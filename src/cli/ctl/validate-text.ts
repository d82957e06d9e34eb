/** @module What validation found of one policy, for people and for programs. */
import { originPosition } from "../../policy/explain.ts";
import { type KubernetesObject, objectName } from "../../resources/object.ts";
import type { Io } from "../io.ts";
import { counted } from "../output.ts";
import { paintFor } from "../paint.ts";
import type { Change, Impact, Pair } from "./impact.ts";
import { packetText } from "./packets.ts";

/** One policy, and what was found of it. */
export interface JudgedPolicy {
  readonly object: KubernetesObject;
  /** undefined for a staged policy that cannot be previewed. */
  readonly impact: Impact | undefined;
  /** Of a file that is not applied, or staged: what it would do, not what it does. */
  readonly isProspect: boolean;
}

const NAMES_SHOWN = 5;
const PAIRS_SHOWN = 8;

function position(object: KubernetesObject): string {
  return originPosition({ object: objectName(object), path: "", source: object.source });
}

export function policyLines(io: Io, judged: JudgedPolicy): string[] {
  const { object, impact } = judged;
  const paint = paintFor(io);
  const head = `${paint.bold(objectName(object))} (${position(object)})`;
  if (!impact) return [head, "  staged, and nothing that could be previewed", ""];
  const { selects, governs, tier, order } = impact;
  const subject =
    selects.length === 0
      ? paint.warn("selects nothing")
      : `selects ${endpoints(selects)}: ${shortened(selects, NAMES_SHOWN)}`;
  const directions = governs.length === 0 ? "governs no direction" : `governs ${governs.join(" and ")}`;
  return [
    head,
    `  ${subject}`,
    `  ${directions}, in tier ${tier}, order ${order ?? "unset"}`,
    ...changeLines(judged, impact).map((line) => `  ${line}`),
    "",
  ];
}

function endpoints(names: readonly string[]): string {
  const hosts = names.filter((name) => name.startsWith("HostEndpoint ")).length;
  const pods = names.length - hosts;
  return [
    ...(pods > 0 ? [counted(pods, "pod")] : []),
    ...(hosts > 0 ? [counted(hosts, "host endpoint")] : []),
  ].join(" and ");
}

function shortened(names: readonly string[], most: number): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function changeLines({ object, isProspect }: JudgedPolicy, { changes, compared, left }: Impact): string[] {
  const asked = compared.map(packetText).join(", ");
  const rest = left > 0 ? `; ${counted(left, "port")} that policies name not compared` : "";
  if (compared.length === 0)
    return [
      "what it changes was not compared, for the folder is big: validate -f compares one file's policies",
    ];
  const prefix = "stagedAction" in object ? "enforced, it " : "";
  if (changes.length === 0) {
    const nothing = isProspect ? "would change" : "changes";
    return [`${prefix}${nothing} no connection between workloads (compared: ${asked}${rest})`];
  }
  const lines = changes.map((change) => prefix + changeLine(change, isProspect));
  return left > 0 ? [...lines, `(compared: ${asked}${rest})`] : lines;
}

function changeLine({ packets, connections, closed, opened }: Change, isProspect: boolean): string {
  const verb = (word: string): string => (isProspect ? word : `${word}s`);
  const effects = [
    ...(closed.length > 0 ? [`${verb("close")} ${closed.length}`] : []),
    ...(opened.length > 0 ? [`${verb("open")} ${opened.length}`] : []),
  ].join(" and ");
  const where = packets.map(packetText).join(", ");
  const pairs = [...closed.map((pair) => pairText(pair)), ...opened.map((pair) => `+ ${pairText(pair)}`)];
  const mixed = closed.length > 0 && opened.length > 0;
  const shown = mixed ? pairs : [...closed, ...opened].map(pairText);
  return `${isProspect ? "would " : ""}${effects} of ${counted(connections, "connection")} between workloads (${where}): ${shortened(shown, PAIRS_SHOWN)}`;
}

function pairText({ from, to, isPartial }: Pair): string {
  return `${from} → ${to}${isPartial ? " (partly)" : ""}`;
}

export function policyData({ object, impact, isProspect }: JudgedPolicy): object {
  const { kind, namespace, name } = object;
  const common = { kind, ...(namespace !== "" && { namespace }), name, position: position(object) };
  if (!impact) return { ...common, previewed: false };
  const { tier, order, selects, governs, changes, compared, left } = impact;
  return {
    ...common,
    tier,
    ...(order !== undefined && { order }),
    selects: { count: selects.length, names: selects },
    governs,
    prospective: isProspect,
    changes: changes.map(({ packets, connections, closed, opened }) => ({
      packets: packets.map(packetText),
      connections,
      closed: closed.map(pairData),
      opened: opened.map(pairData),
    })),
    compared: compared.map(packetText),
    notCompared: left,
  };
}

function pairData({ from, to, isPartial }: Pair): object {
  return { from, to, ...(isPartial && { partly: true }) };
}
