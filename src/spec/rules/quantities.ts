const durationPattern = /^(?:\d{1,9}(?:ms|s|m|h|d))+$/;
const durationPart = /(\d+)(ms|s|m|h|d)/g;
const secondsPerUnit: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds in `30s`, `15m`, `1h30m`, `2d` or `500ms`; undefined for any other text. */
export function parseDuration(text: string): number | undefined {
  if (text.length > 40 || !durationPattern.test(text)) return undefined;
  let milliseconds = 0;
  for (const [, count, unit] of text.matchAll(durationPart)) {
    milliseconds += Number(count) * 1000 * (secondsPerUnit[unit ?? ""] ?? 0);
  }
  return Math.round(milliseconds) / 1000;
}

const isoPattern = /^P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?$/;

/** Seconds in an ISO 8601 duration of weeks to seconds (`PT15M`, `P1DT12H`); undefined for others, years and months too. */
export function parseIsoDuration(text: string): number | undefined {
  const match = isoPattern.exec(text);
  if (match === null || text === "P") return undefined;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return (weeks * 7 + days) * 86_400 + hours * 3600 + minutes * 60 + seconds;
}

// The suffixes of Kubernetes' quantities, which users of either target know.
const bytesPerUnit: Record<string, number> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};
const bytesPattern = /^(\d{1,15}(?:\.\d{1,9})?)(k|M|G|T|Ki|Mi|Gi|Ti)?$/;

/** Bytes in `512Mi`, `4Gi`, `1.5G` or a plain number of bytes; undefined for what is none, or less than one byte. */
export function parseBytes(value: string | number): number | undefined {
  const match = bytesPattern.exec(String(value));
  if (match === null) return undefined;
  const bytes = Math.round(Number(match[1]) * (bytesPerUnit[match[2] ?? ""] ?? 0));
  return bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
}

const cpuPattern = /^(\d{1,6}(?:\.\d{1,3})?)(m?)$/;

/** Cores in `2`, `0.5` or `500m`, to a thousandth; undefined for what is none, or zero. */
export function parseCpu(value: string | number): number | undefined {
  const match = cpuPattern.exec(String(value));
  if (match === null) return undefined;
  const milli = Math.round(Number(match[1]) * (match[2] === "m" ? 1 : 1000));
  return milli >= 1 ? milli / 1000 : undefined;
}
