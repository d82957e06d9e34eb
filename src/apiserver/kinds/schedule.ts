/** @module What is wrong with a schedule of cron, in the words of github.com/robfig/cron. */

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
const SHORT = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/;

/** @returns undefined where it is a schedule */
export function scheduleFault(text: string): string | undefined {
  if (/^(CRON_)?TZ=/.test(text)) return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
  if (text.startsWith("@")) return SHORT.test(text) ? undefined : `unrecognized descriptor: ${text}`;
  const parts = text.trim().split(/\s+/);
  if (parts.length !== FIELDS.length)
    return `expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]`;
  for (const [place, part] of parts.entries()) {
    for (const range of part.split(",")) {
      const fault = rangeFault(range, FIELDS[place] as Field);
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}

function rangeFault(text: string, field: Field): string | undefined {
  const [range = "", stepText, ...slashes] = text.split("/");
  const [from = "", to, ...hyphens] = range.split("-");
  if (slashes.length > 0) return `too many slashes: ${text}`;
  if (hyphens.length > 0) return `too many hyphens: ${text}`;
  const isAll = range === "*" || range === "?";
  const first = isAll ? field.first : numberOf(from, field);
  const last =
    isAll || (to === undefined && stepText !== undefined)
      ? field.last
      : to === undefined
        ? first
        : numberOf(to, field);
  const step = stepText === undefined ? 1 : numberOf(stepText, { ...field, names: [] });
  for (const [value, written] of [
    [first, from],
    [last, to ?? ""],
    [step, stepText ?? ""],
  ] as const)
    if (value === undefined)
      return `failed to parse int from ${written}: strconv.Atoi: parsing ${JSON.stringify(written)}: invalid syntax`;
  if (first === undefined || last === undefined || step === undefined) return undefined;
  if (first < field.first) return `beginning of range (${first}) below minimum (${field.first}): ${text}`;
  if (last > field.last) return `end of range (${last}) above maximum (${field.last}): ${text}`;
  if (first > last) return `beginning of range (${first}) beyond end of range (${last}): ${text}`;
  return step === 0 ? `step of range should be a positive number: ${text}` : undefined;
}

function numberOf(text: string, { first, names }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + first;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
