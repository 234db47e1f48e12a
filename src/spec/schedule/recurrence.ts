import { compact, openRule, quoted, ruleFault } from "./recurrence-rule.ts";
import type { WallMs, Zone } from "./zone.ts";

/** A set of RFC 5545, section 3.8.5: what the rules and dates give, without the exceptions. */
interface Lines {
  readonly rules: readonly string[];
  readonly dates: readonly string[];
  readonly exceptRules: readonly string[];
  readonly exceptDates: readonly string[];
}

export interface RecurrenceOptions {
  /** What the rules count from. */
  readonly from: WallMs;
  /** In which points in time that end in Z are read. */
  readonly zone: Zone;
}

/**
 * The times of a checked set on the clock of a wall: the next after each; null when there is none, or none within
 * 10,000 of the rule's periods.
 */
export function recurrenceTimes(text: string, { from, zone }: RecurrenceOptions): (after: WallMs) => WallMs | null {
  const lines = readLines(text);
  const open = (rule: string) => ruleTimes(localUntil(rule, zone), from);
  const dates = lines.dates.map((date) => wallOf(date, zone)).toSorted((a, b) => a - b);
  const sources = [...lines.rules.map(open), (after: WallMs) => dates.find((date) => date > after) ?? null];
  const exceptRules = lines.exceptRules.map(open);
  const exceptDates = new Set(lines.exceptDates.map((date) => wallOf(date, zone)));
  const isExcepted = (wall: WallMs): boolean =>
    exceptDates.has(wall) || exceptRules.some((next) => next(wall - 1) === wall);
  return (after) => {
    for (let at: WallMs | null = after; at !== null;) {
      const following: number[] = sources.map((next) => next(at ?? after)).filter((wall) => wall !== null);
      at = following.length === 0 ? null : Math.min(...following);
      if (at !== null && !isExcepted(at)) return at;
    }
    return null;
  };
}

function ruleTimes(rule: string, from: WallMs): (after: WallMs) => WallMs | null {
  const opened = openRule(rule, from);
  return (after) => {
    try {
      return opened.next(new Date(after))?.epochMilliseconds ?? null;
    } catch {
      // It could be read, so all that it throws here is that it gives up looking.
      return null;
    }
  };
}

/** What is wrong with a set; undefined when it may fire. */
export function recurrenceFault(text: string): string | undefined {
  for (const line of text.trim().split("\n")) {
    const [, property] = /^\s*(DTSTART|TZID)\b/i.exec(line) ?? [];
    if (property !== undefined) return `${property.toUpperCase()} has a field of its own: write anchor and timezone`;
    const { name, value } = readLine(line);
    if (!isProperty(name)) return `${quoted(name)} is not one of ${Object.keys(properties).join(", ")}`;
    const fault = name === "RRULE" || name === "EXRULE" ? ruleFault(value) : datesFault(value);
    if (fault !== undefined) return fault;
  }
  const { rules, dates } = readLines(text);
  return rules.length + dates.length === 0 ? "it never fires: RRULE or RDATE is missing" : undefined;
}

const properties = { RRULE: "rules", RDATE: "dates", EXRULE: "exceptRules", EXDATE: "exceptDates" } as const;

const isProperty = (name: string): name is keyof typeof properties => Object.hasOwn(properties, name);

/** `RRULE:FREQ=DAILY`; the name may be left out. */
function readLine(line: string): { readonly name: string; readonly value: string } {
  const colon = line.indexOf(":");
  if (colon < 0) return { name: "RRULE", value: line.trim() };
  return { name: line.slice(0, colon).trim().toUpperCase(), value: line.slice(colon + 1).trim() };
}

function readLines(text: string): Lines {
  const lines = {
    rules: [] as string[],
    dates: [] as string[],
    exceptRules: [] as string[],
    exceptDates: [] as string[],
  };
  for (const line of text.trim().split("\n")) {
    const { name, value } = readLine(line);
    if (!isProperty(name)) continue;
    const isRule = name === "RRULE" || name === "EXRULE";
    lines[properties[name]].push(...(isRule ? [value] : value.split(",")));
  }
  return lines;
}

const dateTime = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(Z?)$/;

const datesFault = (value: string): string | undefined => {
  const wrong = value.split(",").find((date) => !dateTime.test(date));
  return wrong === undefined ? undefined : `${quoted(wrong)} is not a point in time such as 20261231T090000`;
};

/** With Z a point in time, without it the clock on the wall (RFC 5545, section 3.3.5). */
function wallOf(date: string, zone: Zone): WallMs {
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = (dateTime.exec(date) ?? [])
    .slice(1, 7)
    .map(Number);
  const time = Date.UTC(year, month - 1, day, hour, minute, second);
  return date.endsWith("Z") ? zone.wallAt(time) : time;
}

/** UNTIL as the wall's clock shows it, for the rule is worked out as if that were UTC. */
function localUntil(rule: string, zone: Zone): string {
  return rule.toUpperCase().replace(/\bUNTIL=(\d{8})(T\d{6}Z?)?/, (_, date: string, time = "T000000") => {
    const wall = wallOf(`${date}${time}`, zone);
    return `UNTIL=${compact(wall)}`;
  });
}
