import { Cron } from "croner";
import { didYouMean } from "../rules/nearest.ts";
import type { WallMs } from "./zone.ts";

const nicknames = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
// Any fixed point will do: whether an expression ever fires must not depend on today.
const searchFrom = new Date("2024-01-01T00:00:00Z");

export interface CronOptions {
  /** Where both a day of the month and a day of the week are given, either will do; otherwise both must fit. */
  readonly isDayOr: boolean;
}

/** The times of a checked expression on the clock of a wall: the next after each, null when there is none. */
export function cronTimes(expression: string, { isDayOr }: CronOptions): (after: WallMs) => WallMs | null {
  const cron = open(expression, isDayOr);
  return (after) => cron.nextRun(new Date(after))?.getTime() ?? null;
}

/** What is wrong with an expression; undefined when it will fire. */
export function cronFault(expression: string): string | undefined {
  const text = expression.trim();
  if (text.startsWith("@")) {
    return nicknames.includes(text)
      ? undefined
      : `${JSON.stringify(text)} is not one of ${nicknames.join(", ")}.${didYouMean(text, nicknames)}`;
  }
  const fields = text.split(/\s+/);
  if (fields.length !== 5 && fields.length !== 6) {
    const count = `${fields.length} ${fields.length === 1 ? "field" : "fields"}`;
    return `${JSON.stringify(text)} has ${count}; minute, hour, day of month, month and day of week are wanted, or seconds before them`;
  }
  try {
    if (open(text, true).nextRun(searchFrom) !== null) return undefined;
    return `${JSON.stringify(text)} never fires: there is no such day`;
  } catch (error) {
    return `${JSON.stringify(text)} is not a cron expression: ${reasonOf(error)}`;
  }
}

const open = (expression: string, isDayOr: boolean): Cron =>
  new Cron(lastWeekday(expression.trim()), {
    mode: "5-or-6-parts",
    sloppyRanges: true,
    domAndDow: !isDayOr,
    // As a zone it would be looked up for each time that is tried.
    utcOffset: 0,
    paused: true,
  });

/** The last Friday is `5L` to Quartz, `L5` to croniter, and `5#L` to the library. */
function lastWeekday(text: string): string {
  const fields = text.split(/\s+/);
  const day = fields.pop() ?? "";
  return [...fields, day.replace(/\bL([0-7])\b/g, "$1#L").replace(/\b([0-7]|[A-Z]{3})L\b/gi, "$1#L")].join(" ");
}

/** The library's words without its name. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^(?:CronPattern|Cron): /, "").replace(/\.$/, "");
}
