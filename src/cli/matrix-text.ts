/** @module The truth table as text: a grid while it fits the eye, a list of who reaches whom when it does not. */
import { type CellVerdict, type Matrix, type MatrixClass, quotient } from "../analysis/matrix.ts";
import { counted } from "./output.ts";
import type { Paint } from "./paint.ts";
import { textTable } from "./table.ts";

/** A sign besides the colour, since red and green alone are not told apart by everyone. */
export const SIGN: Readonly<Record<CellVerdict, string>> = { allow: "✓", deny: "✕", mixed: "~" };

/** More columns than that are read as a list. */
const WIDEST_GRID = 24;
/** More names than that in one class are counted instead. */
const NAMES_SHOWN = 6;

function painted(verdict: CellVerdict, paint: Paint): string {
  return { allow: paint.good, deny: paint.bad, mixed: paint.warn }[verdict](SIGN[verdict]);
}

/** `default/api (3 pods)`. */
function groupTitle(name: string, pods: number): string {
  return pods === 1 ? name : `${name} (${pods} pods)`;
}

/** A grid with numbered columns, whose numbers stand before the rows' names. */
export function gridLines(
  titles: readonly string[],
  cells: readonly (readonly CellVerdict[])[],
  paint: Paint,
): string[] {
  const head = ["", "FROM \\ TO", ...titles.map((_, index) => String(index + 1))];
  const rows = titles.map((title, index) => [
    String(index + 1),
    title,
    ...(cells[index] ?? []).map((cell) => painted(cell, paint)),
  ]);
  return textTable(head, rows, 2);
}

/** @param packet - what the table is about: `TCP 80` */
export function matrixLines(matrix: Matrix, packet: string, paint: Paint): string[] {
  if (matrix.groups.length === 0) return ["there are no pods"];
  const legend = paint.dim(
    `${packet}: ${SIGN.allow} can open a connection   ${SIGN.deny} cannot   ${SIGN.mixed} some pods can   columns are numbered as rows`,
  );
  if (matrix.groups.length <= WIDEST_GRID) {
    return [
      ...gridLines(
        matrix.groups.map(({ name, pods }) => groupTitle(name, pods.length)),
        matrix.groups.map((_, from) => matrix.groups.map((__, to) => matrix.cell(from, to))),
        paint,
      ),
      "",
      legend,
    ];
  }
  const { classes, cells } = quotient(matrix);
  const lines = [
    `${packet}: ${matrix.groups.length} workloads behave in ${counted(classes.length, "way")}:`,
    "",
  ];
  for (const [index, entry] of classes.entries())
    lines.push(`${paint.bold(String(index + 1).padStart(4))}  ${classTitle(entry)}`);
  lines.push("");
  if (classes.length <= WIDEST_GRID)
    return [...lines, ...gridLines(classes.map(shortTitle), cells, paint), "", legend];
  for (const [index, row] of cells.entries())
    lines.push(`${paint.bold(String(index + 1).padStart(4))}  reaches ${reached(row)}`);
  return lines;
}

function classTitle({ members }: MatrixClass): string {
  const shown = members.slice(0, NAMES_SHOWN).map(({ name, pods }) => groupTitle(name, pods.length));
  const rest = members.length - shown.length;
  return rest > 0 ? `${shown.join(", ")} and ${rest} more` : shown.join(", ");
}

function shortTitle(entry: MatrixClass): string {
  const [first] = entry.members;
  const rest = entry.members.length - 1;
  return first ? `${groupTitle(first.name, first.pods.length)}${rest > 0 ? ` and ${rest} more` : ""}` : "";
}

/** Whichever is shorter to say: those that are reached, or those that are not. */
function reached(row: readonly CellVerdict[]): string {
  const places: Record<CellVerdict, number[]> = { allow: [], deny: [], mixed: [] };
  for (const [index, cell] of row.entries()) places[cell].push(index + 1);
  const { allow, deny, mixed } = places;
  const partly = mixed.length === 0 ? "" : `; in part ${ranges(mixed)}`;
  if (allow.length === row.length) return "all";
  if (allow.length === 0) return `none${partly}`;
  return allow.length > row.length / 2
    ? `all but ${ranges([...deny, ...mixed].sort((a, b) => a - b))}${partly}`
    : `${ranges(allow)}${partly}`;
}

/** `1-3, 7`. */
export function ranges(numbers: readonly number[]): string {
  const parts: string[] = [];
  let start = 0;
  for (let index = 1; index <= numbers.length; index++) {
    if (numbers[index] === (numbers[index - 1] ?? 0) + 1) continue;
    const first = numbers[start] ?? 0;
    const last = numbers[index - 1] ?? 0;
    parts.push(first === last ? String(first) : `${first}-${last}`);
    start = index;
  }
  return parts.filter((part) => part !== "0").join(", ");
}
