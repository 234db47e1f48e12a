/** A reading of a clock on the wall: milliseconds since 1970 as if the zone were UTC. */
export type WallMs = number;

export interface Zone {
  wallAt(instantMs: number): WallMs;
  /**
   * When the clock shows this: the first time where it does so twice, and where it never does (the hour that summer
   * time skips) as long after the jump as the time says. Temporal calls this `compatible`.
   */
  instantOf(wall: WallMs): number;
}

const dayMs = 86_400_000;
const utc: Zone = { wallAt: (instantMs) => instantMs, instantOf: (wall) => wall };

// Making one takes half a millisecond, and zones are few.
const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(timeZone, format);
  return format;
}

/** `timezone` is an IANA name; throws RangeError for others. */
export function makeZone(timezone: string): Zone {
  if (timezone === "UTC") return utc;
  const format = formatOf(timezone);
  const wallAt = (instantMs: number): WallMs => {
    const [month = 1, day = 1, year = 1970, hour = 0, minute = 0, second = 0] = format
      .format(instantMs)
      .split(/\D+/)
      .map(Number);
    // The format has no milliseconds, and offsets have none.
    return Date.UTC(year, month - 1, day, hour, minute, second) + (((instantMs % 1000) + 1000) % 1000);
  };
  const offsetAt = (instantMs: number): number => wallAt(instantMs) - instantMs;
  return {
    wallAt,
    instantOf(wall) {
      const [before, after] = [offsetAt(wall - dayMs), offsetAt(wall + dayMs)];
      const candidates = [wall - before, wall - after].filter((instantMs) => wallAt(instantMs) === wall);
      return candidates.length > 0 ? Math.min(...candidates) : wall - before;
    },
  };
}
