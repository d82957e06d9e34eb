/** @module Schedules in the five fields of cron, as github.com/robfig/cron reads them and in its words where it cannot. */

export interface Schedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Where both the day of the month and of the week are limited, either will do. */
  readonly isEitherDay: boolean;
}

interface Field {
  readonly first: number;
  readonly last: number;
  readonly names: readonly string[];
}

const MONTHS: readonly string[] = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ");
const DAYS: readonly string[] = "sun mon tue wed thu fri sat".split(" ");
const FIELDS: readonly Field[] = [
  { first: 0, last: 59, names: [] },
  { first: 0, last: 23, names: [] },
  { first: 1, last: 31, names: [] },
  { first: 1, last: 12, names: MONTHS },
  { first: 0, last: 6, names: DAYS },
];
const SHORT: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/** @returns undefined for what is no schedule */
export function parseSchedule(text: string): Schedule | undefined {
  const read = readSchedule(text);
  return typeof read === "string" ? undefined : read;
}

/** @returns what is wrong with it; undefined: nothing */
export function scheduleFault(text: string): string | undefined {
  const read = readSchedule(text);
  return typeof read === "string" ? read : undefined;
}

/** @returns what is wrong, where it is none */
function readSchedule(text: string): Schedule | string {
  if (/^(CRON_)?TZ=/.test(text)) return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
  const short = text.startsWith("@");
  const full = short ? (Object.hasOwn(SHORT, text) ? SHORT[text] : undefined) : text;
  if (full === undefined) return `unrecognized descriptor: ${text}`;
  const parts = full.trim().split(/\s+/);
  if (parts.length !== FIELDS.length)
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]`;
  const fields: ReadonlySet<number>[] = [];
  for (const [place, part] of parts.entries()) {
    const field = readField(part, FIELDS[place] as Field);
    if (typeof field === "string") return field;
    fields.push(field);
  }
  const [minutes, hours, days, months, weekdays] = fields as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const isOpen = (part: string | undefined): boolean => part?.startsWith("*") === true || part === "?";
  return { minutes, hours, days, months, weekdays, isEitherDay: !isOpen(parts[2]) && !isOpen(parts[4]) };
}

function readField(text: string, field: Field): Set<number> | string {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const range = readRange(part, field);
    if (typeof range === "string") return range;
    for (let value = range.first; value <= range.last; value += range.step) values.add(value);
  }
  return values;
}

/** `*`, `5`, `1-5`, `1-31/2`; `5/15` goes on to the end of the field. */
function readRange(
  text: string,
  field: Field,
): { readonly first: number; readonly last: number; readonly step: number } | string {
  const [range = "", stepText, ...slashes] = text.split("/");
  const [from = "", to, ...hyphens] = range.split("-");
  if (slashes.length > 0) return `too many slashes: ${text}`;
  if (hyphens.length > 0) return `too many hyphens: ${text}`;
  const isAll = range === "*" || range === "?";
  const first = isAll ? field.first : numberOf(from, field);
  const toEnd = isAll || (to === undefined && stepText !== undefined);
  const last = toEnd ? field.last : to === undefined ? first : numberOf(to, field);
  const step = stepText === undefined ? 1 : numberOf(stepText, { ...field, names: [] });
  const unread = (written: string): string =>
    `failed to parse int from ${written}: strconv.Atoi: parsing ${JSON.stringify(written)}: invalid syntax`;
  if (first === undefined) return unread(from);
  if (last === undefined) return unread(to ?? "");
  if (step === undefined) return unread(stepText ?? "");
  if (first < field.first) return `beginning of range (${first}) below minimum (${field.first}): ${text}`;
  if (last > field.last) return `end of range (${last}) above maximum (${field.last}): ${text}`;
  if (first > last) return `beginning of range (${first}) beyond end of range (${last}): ${text}`;
  return step === 0 ? `step of range should be a positive number: ${text}` : { first, last, step };
}

function numberOf(text: string, { first, names }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + first;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
