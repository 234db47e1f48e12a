import { RRuleTemporal } from "rrule-temporal";

const frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"];

/** RFC 5545, section 3.3.10: what each list may hold. `signed` counts from the end too and leaves out zero. */
const ranges: Readonly<Record<string, { readonly min: number; readonly max: number; readonly signed?: true }>> = {
  BYSECOND: { min: 0, max: 59 },
  BYMINUTE: { min: 0, max: 59 },
  BYHOUR: { min: 0, max: 23 },
  BYMONTHDAY: { min: 1, max: 31, signed: true },
  BYYEARDAY: { min: 1, max: 366, signed: true },
  BYWEEKNO: { min: 1, max: 53, signed: true },
  BYMONTH: { min: 1, max: 12 },
  BYSETPOS: { min: 1, max: 366, signed: true },
};

const weekday = /^(?:[+-]?(?:[1-9]|[1-4]\d|5[0-3]))?(?:MO|TU|WE|TH|FR|SA|SU)$/;
const until = /^\d{8}(?:T\d{6}Z?)?$/;
const maxInterval = 10_000;
// 2100 is no leap year: this long after 2024 every date and weekday has met, 29 February on each weekday too.
const searchFrom = Date.UTC(2024, 0);
const searchUntil = Date.UTC(2064, 0);
const dayMs = 86_400_000;

/**
 * What is wrong with a rule in its parts, `FREQ=DAILY;COUNT=3`: the library takes much that means nothing. Whether its
 * times contradict each other (every second minute, but only in the odd ones) is found out by looking for them.
 */
export function ruleFault(rule: string): string | undefined {
  const parts = new Map<string, string>();
  for (const part of rule.split(";")) {
    const [name = "", value, ...rest] = part.toUpperCase().split("=");
    if (value === undefined || value === "" || rest.length > 0) return `${quoted(part)} is not NAME=VALUE`;
    if (parts.has(name)) return `${name} stands twice`;
    const fault = partFault(name, value);
    if (fault !== undefined) return fault;
    parts.set(name, value);
  }
  if (!parts.has("FREQ")) return "FREQ is missing";
  if (parts.has("COUNT") && parts.has("UNTIL")) return "COUNT and UNTIL exclude each other";
  if (isImpossible(parts)) return "it never fires: there is no such day";
  return libraryFault(rule);
}

/** What runs the schedules must be able to read it too. */
function libraryFault(rule: string): string | undefined {
  try {
    openRule(rule, 0);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The rule counted from a moment, in UTC. */
export function openRule(rule: string, fromMs: number): RRuleTemporal {
  return new RRuleTemporal({ rruleString: `DTSTART:${compact(fromMs)}\nRRULE:${rule.toUpperCase()}` });
}

/** `20260101T000000Z`, as RFC 5545, section 3.3.5 writes it. */
export const compact = (timeMs: number): string => new Date(timeMs).toISOString().replace(/[-:]|\.\d+/g, "");

function partFault(name: string, value: string): string | undefined {
  const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined;
  if (range !== undefined) return listFault(name, value, range);
  switch (name) {
    case "FREQ":
      return frequencies.includes(value) ? undefined : `FREQ ${quoted(value)} is not one of ${frequencies.join(", ")}`;
    case "INTERVAL":
    case "COUNT":
      return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= maxInterval
        ? undefined
        : `${name} ${quoted(value)} is not a number from 1 to ${maxInterval}`;
    case "UNTIL":
      return until.test(value) ? undefined : `UNTIL ${quoted(value)} is not a date such as 20261231T000000Z`;
    case "WKST":
      return /^(?:MO|TU|WE|TH|FR|SA|SU)$/.test(value) ? undefined : `WKST ${quoted(value)} is not a day such as MO`;
    case "BYDAY":
      return value.split(",").every((day) => weekday.test(day))
        ? undefined
        : `BYDAY ${quoted(value)} is not a list of days`;
    default:
      return `${quoted(name)} is not a part of a recurrence rule`;
  }
}

function listFault(name: string, value: string, range: (typeof ranges)[string]): string | undefined {
  for (const item of value.split(",")) {
    const number = range?.signed === true ? Math.abs(Number(item)) : Number(item);
    const isNumber = /^[+-]?\d{1,3}$/.test(item);
    if (!isNumber || range === undefined || number < range.min || number > range.max) {
      return `${name} holds ${quoted(item)}; numbers from ${range?.min} to ${range?.max} are wanted`;
    }
  }
  return undefined;
}

/**
 * True when no day fits. BYSETPOS and INTERVAL are left out of account: they choose among the days that fit.
 * The library would look for such a day until the year 9999.
 */
function isImpossible(parts: ReadonlyMap<string, string>): boolean {
  const tests = Object.entries(dayTests).filter(([name]) => parts.has(name));
  if (tests.length === 0) return false;
  const lists = tests.map(([name, isDay]) => ({ isDay, wanted: (parts.get(name) ?? "").split(",") }));
  for (let time = searchFrom; time < searchUntil; time += dayMs) {
    const day = calendarDay(time);
    if (lists.every(({ isDay, wanted }) => wanted.some((item) => isDay(item, day)))) return false;
  }
  return true;
}

interface CalendarDay {
  readonly month: number;
  readonly dayOfMonth: number;
  readonly daysInMonth: number;
  readonly dayOfYear: number;
  readonly daysInYear: number;
  readonly weekday: string;
}

function calendarDay(time: number): CalendarDay {
  const date = new Date(time);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  const yearStart = Date.UTC(year, 0);
  return {
    month: month + 1,
    dayOfMonth: date.getUTCDate(),
    daysInMonth: new Date(Date.UTC(year, month + 1, 0)).getUTCDate(),
    dayOfYear: (time - yearStart) / dayMs + 1,
    daysInYear: (Date.UTC(year + 1, 0) - yearStart) / dayMs,
    weekday: ["SU", "MO", "TU", "WE", "TH", "FR", "SA"][date.getUTCDay()] ?? "",
  };
}

const fromEnd = (wanted: string, at: number, length: number): boolean =>
  Number(wanted) > 0 ? Number(wanted) === at : Number(wanted) === at - length - 1;

// Weeks of the year and which Monday of a month it is are not worked out: any day may be in them.
const dayTests: Readonly<Record<string, (wanted: string, day: CalendarDay) => boolean>> = {
  BYMONTH: (wanted, { month }) => Number(wanted) === month,
  BYMONTHDAY: (wanted, { dayOfMonth, daysInMonth }) => fromEnd(wanted, dayOfMonth, daysInMonth),
  BYYEARDAY: (wanted, { dayOfYear, daysInYear }) => fromEnd(wanted, dayOfYear, daysInYear),
  BYDAY: (wanted, { weekday }) => wanted.endsWith(weekday),
};

export function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`);
}
