import { cronFault } from "../schedule/cron.ts";
import { recurrenceFault } from "../schedule/recurrence.ts";
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
