import { Cron } from "croner";
import { recurrenceFault } from "./recurrence.ts";
import { didYouMean } from "./nearest.ts";

/** Answers about times, remembered: a thousand jobs have a dozen schedules between them. Each answer is a fault or undefined. */
export interface Calendar {
  cronFault(expression: string): string | undefined;
  zoneFault(zone: string): string | undefined;
  recurrenceFault(rule: string): string | undefined;
}

const maxRemembered = 2000;

export function makeCalendar(): Calendar {
  return {
    cronFault: remembered(cronFault),
    zoneFault: remembered(zoneFault),
    recurrenceFault: remembered(recurrenceFault),
  };
}

function remembered(ask: (text: string) => string | undefined): (text: string) => string | undefined {
  const answers = new Map<string, string | undefined>();
  return (text) => {
    if (answers.has(text)) return answers.get(text);
    if (answers.size >= maxRemembered) answers.clear();
    const answer = ask(text);
    answers.set(text, answer);
    return answer;
  };
}

const nicknames = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
// Any fixed point will do: whether an expression ever fires must not depend on today.
const searchFrom = new Date("2024-01-01T00:00:00Z");

function cronFault(expression: string): string | undefined {
  const text = expression.trim();
  if (text.startsWith("@")) {
    return nicknames.includes(text)
      ? undefined
      : `${JSON.stringify(text)} is not one of ${nicknames.join(", ")}.${didYouMean(text, nicknames)}`;
  }
  const fields = text.split(/\s+/);
  if (fields.length !== 5) {
    const count = `${fields.length} ${fields.length === 1 ? "field" : "fields"}`;
    return `${JSON.stringify(text)} has ${count}; minute, hour, day of month, month and day of week are wanted`;
  }
  try {
    const cron = new Cron(text, { mode: "5-part", paused: true, timezone: "UTC" });
    if (cron.nextRun(searchFrom) === null) return `${JSON.stringify(text)} never fires: there is no such day`;
    return undefined;
  } catch (error) {
    return `${JSON.stringify(text)} is not a cron expression: ${reasonOf(error)}`;
  }
}

/** The library's words without its name. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^(?:CronPattern|Cron): /, "").replace(/\.$/, "");
}

const zonePattern = /^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,3}$/;

function zoneFault(zone: string): string | undefined {
  if (zonePattern.test(zone)) {
    try {
      Intl.DateTimeFormat("en", { timeZone: zone });
      return undefined;
    } catch {
      // A RangeError is how Intl says no.
    }
  }
  const zones = Intl.supportedValuesOf("timeZone");
  return `${JSON.stringify(zone.slice(0, 80))} is not an IANA time zone.${didYouMean(zone, zones)}`;
}
