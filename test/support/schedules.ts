import type { ResolvedSchedule } from "../../src/spec/resolved.ts";

interface Given extends Partial<Omit<ResolvedSchedule, "when">> {
  readonly cron?: string;
  readonly dayOr?: boolean;
  /** Seconds. */
  readonly interval?: number;
  readonly rrule?: string;
}

/** A schedule with the defaults of the file format. */
export function scheduleOf({ cron, dayOr = true, interval, rrule, ...further }: Given): ResolvedSchedule {
  return {
    name: "tick",
    description: "",
    when: whenOf({ cron, dayOr, interval, rrule }),
    anchor: null,
    timezone: "UTC",
    parameters: {},
    startAt: null,
    endAt: null,
    jitterSeconds: 0,
    catchUp: { policy: "latest", limit: 100, maxAgeSeconds: 604_800 },
    isActive: true,
    ...further,
  };
}

interface Forms {
  readonly cron: string | undefined;
  readonly dayOr: boolean;
  readonly interval: number | undefined;
  readonly rrule: string | undefined;
}

function whenOf({ cron, dayOr, interval, rrule }: Forms): ResolvedSchedule["when"] {
  if (cron !== undefined) return { by: "cron", cron, isDayOr: dayOr };
  if (rrule !== undefined) return { by: "rrule", rrule };
  return { by: "interval", intervalSeconds: interval ?? 3600 };
}
