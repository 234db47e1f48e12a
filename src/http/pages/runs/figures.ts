const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `640 B`, `1.5 MiB`. */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}

/** `3.2 s`, `5 min 20 s`, `2 h 5 min`: two units say enough. */
export function durationText(durationMs: number): string {
  if (durationMs < 60_000) return `${Number((durationMs / 1_000).toFixed(1))} s`;
  const seconds = Math.floor(durationMs / 1_000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return both(`${minutes} min`, seconds % 60, "s");
  return both(`${Math.floor(minutes / 60)} h`, minutes % 60, "min");
}

const both = (text: string, rest: number, unit: string): string => (rest === 0 ? text : `${text} ${rest} ${unit}`);

export const jsonText = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
