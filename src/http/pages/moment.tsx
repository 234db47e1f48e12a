import type { JSX } from "hono/jsx/jsx-runtime";

const minuteMs = 60_000;
const steps = [
  { unit: "minute", ms: minuteMs, below: 60 * minuteMs },
  { unit: "hour", ms: 60 * minuteMs, below: 24 * 60 * minuteMs },
  { unit: "day", ms: 24 * 60 * minuteMs, below: 14 * 24 * 60 * minuteMs },
] as const;

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });

/** `just now`, `5 min. ago`, `yesterday`; the date itself after two weeks. */
export function ago(at: string, now: Date): string {
  const passedMs = now.getTime() - Date.parse(at);
  if (passedMs < minuteMs) return "just now";
  const step = steps.find(({ below }) => passedMs < below);
  return step ? relative.format(-Math.floor(passedMs / step.ms), step.unit) : at.slice(0, 10);
}

/** A moment as people say it, with the exact one for who asks. */
export function Moment({ at, now }: { at: string; now: Date }): JSX.Element {
  return (
    <time datetime={at} title={`${at.slice(0, 16).replace("T", " ")} UTC`}>
      {ago(at, now)}
    </time>
  );
}
