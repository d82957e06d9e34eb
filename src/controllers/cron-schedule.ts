/** @module Which minutes a schedule of cron means, in any time zone. Pure. */
import type { Schedule } from "../resources/cron.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
/** What has no date in so many days has none: the 29th of February comes within eight years. */
const HORIZON_DAYS = 366 * 9;

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
