/** @module Schedules in the five fields of cron: which minutes they mean, in any time zone. Pure. */

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
const MINUTE = 60_000;
const DAY = 86_400_000;
/** What has no date in so many days has none: the 29th of February comes within eight years. */
const HORIZON_DAYS = 366 * 9;

export interface Schedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Where both the day of the month and of the week are limited, either will do. */
  readonly isEitherDay: boolean;
}

function numberOf(text: string, { first, names }: Field): number {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + first;
  return /^[0-9]{1,2}$/.test(text) ? Number(text) : Number.NaN;
}

function parseField(text: string, field: Field): Set<number> | undefined {
  const values = new Set<number>();
  for (const part of text.split(",")) {
    const [range = "", stepText, ...rest] = part.split("/");
    const step = stepText === undefined ? 1 : Number(stepText);
    if (rest.length > 0 || !Number.isInteger(step) || step < 1) return undefined;
    let first: number;
    let last: number;
    if (range === "*" || range === "?") [first, last] = [field.first, field.last];
    else {
      const [from = "", to, ...more] = range.split("-");
      first = numberOf(from, field);
      // `5/15` goes on to the end of the field.
      last = to === undefined ? (stepText === undefined ? first : field.last) : numberOf(to, field);
      if (more.length > 0) return undefined;
    }
    if (!(first >= field.first && last <= field.last && first <= last)) return undefined;
    for (let value = first; value <= last; value += step) values.add(value);
  }
  return values;
}

/** @returns undefined for what is no schedule */
export function parseSchedule(text: string): Schedule | undefined {
  const full = SHORT[text.trim()] ?? text.trim();
  const parts = full.split(/\s+/);
  if (parts.length !== FIELDS.length) return undefined;
  const fields = parts.map((part, place) => parseField(part, FIELDS[place] as Field));
  const [minutes, hours, days, months, weekdays] = fields;
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  const isOpen = (part: string | undefined): boolean => part?.startsWith("*") === true || part === "?";
  return { minutes, hours, days, months, weekdays, isEitherDay: !isOpen(parts[2]) && !isOpen(parts[4]) };
}

/** A wall clock's reading: what a schedule speaks of. */
interface Reading {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  formats.set(zone, format);
  return format;
}

function readingAt(time: number, zone: string): Reading {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(zone).formatToParts(time)) parts[type] = Number(value);
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = parts as Partial<Reading>;
  return { year, month, day, hour, minute };
}

export function isTimeZone(zone: string): boolean {
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that the zone's clock is ahead of UTC at a time. */
function offsetAt(time: number, zone: string): number {
  if (zone === "UTC") return 0;
  const { year, month, day, hour, minute } = readingAt(time, zone);
  return Date.UTC(year, month - 1, day, hour, minute) - Math.floor(time / MINUTE) * MINUTE;
}

/** The times at which the zone's clock shows a reading: none or two when the clock is put forward or back. */
function timesOf(wall: number, zone: string): number[] {
  const offsets = new Set([offsetAt(wall - DAY, zone), offsetAt(wall + DAY, zone)]);
  return [...offsets]
    .map((offset) => wall - offset)
    .filter((time) => time + offsetAt(time, zone) === wall)
    .sort((a, b) => a - b);
}

function suitsDay(schedule: Schedule, wall: Date): boolean {
  if (!schedule.months.has(wall.getUTCMonth() + 1)) return false;
  const day = schedule.days.has(wall.getUTCDate());
  const weekday = schedule.weekdays.has(wall.getUTCDay());
  return schedule.isEitherDay ? day || weekday : day && weekday;
}

/**
 * The first time of a schedule after another time.
 *
 * A reading that the clock skips in spring has no time; one that it shows twice in autumn means the first.
 * @param zone - a name that `Intl` knows
 * @returns milliseconds since 1970; undefined: there is none
 */
export function nextTime(schedule: Schedule, after: number, zone = "UTC"): number | undefined {
  const start = after + offsetAt(after, zone);
  const midnight = Math.floor(start / DAY) * DAY;
  for (let day = 0; day < HORIZON_DAYS; day++) {
    const wall = midnight + day * DAY;
    if (!suitsDay(schedule, new Date(wall))) continue;
    for (const hour of [...schedule.hours].sort((a, b) => a - b)) {
      for (const minute of [...schedule.minutes].sort((a, b) => a - b)) {
        const reading = wall + hour * 3_600_000 + minute * MINUTE;
        if (reading < start - 2 * 3_600_000) continue;
        const time = timesOf(reading, zone)[0];
        if (time !== undefined && time > after) return time;
      }
    }
  }
  return undefined;
}

/**
 * The last time of a schedule up to another time: what {@link nextTime} would come to in the end.
 * @param after - none up to this is wanted
 * @returns milliseconds since 1970; undefined: there is none between
 */
export function lastTime(
  schedule: Schedule,
  { after, upTo }: { readonly after: number; readonly upTo: number },
  zone = "UTC",
): number | undefined {
  const end = upTo + offsetAt(upTo, zone);
  const midnight = Math.floor(end / DAY) * DAY;
  // No zone is further than a day from UTC.
  for (let wall = midnight; wall > after - 2 * DAY; wall -= DAY) {
    if (!suitsDay(schedule, new Date(wall))) continue;
    for (const hour of [...schedule.hours].sort((a, b) => b - a)) {
      for (const minute of [...schedule.minutes].sort((a, b) => b - a)) {
        const reading = wall + hour * 3_600_000 + minute * MINUTE;
        if (reading > end + 2 * 3_600_000) continue;
        const time = timesOf(reading, zone)[0];
        if (time !== undefined && time <= upTo) return time > after ? time : undefined;
      }
    }
  }
  return undefined;
}
