import { compact, nameFrom } from "./draft.ts";
import type { Reading } from "./reading.ts";

/** `schedules` of prefect.yaml, and `schedule` with one of them in it, as Prefect's server writes them. */
export function scheduleOf(reading: Reading, fallbackName: string): Readonly<Record<string, unknown>> | null {
  // With the schedule in a map of its own, what is beside it says whether it is active.
  const rule = reading.map("schedule") ?? reading;
  const when = whenOf(rule);
  if (when === null) {
    reading.note("not carried over: it has neither cron nor interval nor rrule");
    return null;
  }
  const slug = reading.text("slug");
  reading.drop("replaces", "a schedule keeps its name");
  reading.drop("max_active_runs", "write concurrency for the whole job");
  reading.drop("max_scheduled_runs", "upcoming runs are computed, not stored");
  reading.drop("catchup", "write catchUp: all to make up for times that were missed");
  return compact({
    name: slug === undefined ? fallbackName : nameFrom(slug),
    ...when,
    timezone: when["timezone"] ?? rule.text("timezone"),
    parameters: reading.take("parameters"),
    active: activeOf(reading),
  });
}

function activeOf(reading: Reading): false | undefined {
  const active = reading.take("active");
  if (typeof active === "string")
    reading.note("not carried over: a template; write active: false where it should not run", "active");
  return active === false ? false : undefined;
}

function whenOf(rule: Reading): Readonly<Record<string, unknown>> | null {
  const cron = rule.text("cron");
  if (cron !== undefined) return { cron: cronOf(cron, rule), dayOr: rule.flag("day_or") === false ? false : undefined };
  if (rule.has("interval")) return intervalOf(rule);
  const rrule = rule.text("rrule");
  return rrule === undefined ? null : recurrenceOf(rrule, rule);
}

/** croniter has the seconds last, others have them first. */
function cronOf(text: string, rule: Reading): string {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 6) return text.trim();
  const moved = [fields[5], ...fields.slice(0, 5)].join(" ");
  rule.note(`written as "${moved}": the seconds come first`, "cron");
  return moved;
}

function intervalOf(rule: Reading): Readonly<Record<string, unknown>> | null {
  const given = rule.take("interval");
  const seconds = secondsOf(given);
  if (seconds === null || seconds < 1) {
    rule.note(
      `not carried over: ${JSON.stringify(given)} is no number of seconds, nor HH:MM:SS, nor an ISO 8601 duration`,
      "interval",
    );
    return null;
  }
  if (/\.\d*[1-9]/.test(String(given))) {
    rule.note(`written as ${durationOf(seconds)}: an interval is whole seconds`, "interval");
  }
  const anchor = rule.text("anchor_date");
  if (anchor === undefined) {
    rule.note(
      "counted from 1970-01-01T00:00:00Z: Prefect counts from its deploy; write anchor for another point",
      "interval",
    );
  }
  return { interval: durationOf(seconds), anchor: anchor === undefined ? undefined : instantOf(anchor, rule) };
}

const clock = /^(?:(\d+) days?,? )?(\d+):(\d\d):(\d\d)(?:\.\d+)?$/;
const iso = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;

function secondsOf(given: unknown): number | null {
  if (typeof given === "number") return given >= 1 ? Math.round(given) : null;
  if (typeof given !== "string") return null;
  if (/^\d+(?:\.\d+)?$/.test(given)) return Math.round(Number(given));
  const read = clock.exec(given);
  if (read) {
    const [days = 0, hours = 0, minutes = 0, seconds = 0] = read.slice(1).map((part) => Number(part ?? 0));
    return days * 86_400 + hours * 3600 + minutes * 60 + seconds;
  }
  const parts = iso
    .exec(given)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  if (!parts) return null;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = parts;
  return weeks * 604_800 + days * 86_400 + hours * 3600 + minutes * 60 + seconds;
}

function durationOf(seconds: number): string {
  if (seconds % 86_400 === 0) return `P${seconds / 86_400}D`;
  if (seconds % 3600 === 0) return `PT${seconds / 3600}H`;
  return seconds % 60 === 0 ? `PT${seconds / 60}M` : `PT${seconds}S`;
}

function instantOf(text: string, rule: Reading): string | undefined {
  const withZone = /(?:Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`;
  const time = Date.parse(withZone.replace(" ", "T"));
  if (Number.isNaN(time)) {
    rule.note("not carried over: this is no point in time", "anchor_date");
    return undefined;
  }
  return new Date(time).toISOString().replace(".000Z", "Z");
}

/** Where a rule does not say what it counts from, Prefect takes this. */
const prefectAnchor = "2020-01-01T00:00:00Z";

function recurrenceOf(given: string, rule: Reading): Readonly<Record<string, unknown>> {
  const { rrule, timezone } = unwrapped(given);
  const lines = rrule
    .split(/\\n|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const isStart = (line: string): boolean => /^DTSTART/i.test(line);
  const start = lines.find(isStart);
  const rest = lines.filter((line) => !isStart(line));
  return {
    rrule: rest.length === 1 ? (rest[0] ?? "").replace(/^RRULE:/i, "") : rest.join("\n"),
    anchor: start === undefined ? prefectAnchor : startOf(start, rule),
    timezone,
  };
}

const dateTime = /:(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?$/;

/** `DTSTART:20260101T090000` as a point in time. */
function startOf(line: string, rule: Reading): string | undefined {
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = ""] = dateTime.exec(line) ?? [];
  if (year === undefined) {
    rule.note(`not carried over: ${JSON.stringify(line)} is no date and time; write anchor`, "rrule");
    return undefined;
  }
  const anchor = `${year}-${month}-${day}T${hour}:${minute}:${second}Z`;
  if (zone === "")
    rule.note(`counted from ${anchor}: DTSTART is written without a zone; correct anchor for another one`, "rrule");
  return anchor;
}

/** Prefect also takes the rule as JSON, with its zone. */
function unwrapped(given: string): { readonly rrule: string; readonly timezone?: string } {
  if (!given.trimStart().startsWith("{")) return { rrule: given };
  try {
    const { rrule = "", timezone } = JSON.parse(given) as { rrule?: string; timezone?: string };
    return { rrule, ...(timezone !== undefined && { timezone }) };
  } catch {
    return { rrule: given };
  }
}
