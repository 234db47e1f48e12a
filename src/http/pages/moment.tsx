import type { JSX } from "hono/jsx/jsx-runtime";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
// A date says more than a number of days after this.
const longMs = 14 * dayMs;

/** `just now`, `5 min ago`, `3 days ago`; the date itself after two weeks. */
export function ago(at: string, now: Date): string {
  const passedMs = now.getTime() - Date.parse(at);
  if (passedMs < minuteMs) return "just now";
  if (passedMs < hourMs) return `${Math.floor(passedMs / minuteMs)} min ago`;
  if (passedMs < dayMs) return `${Math.floor(passedMs / hourMs)} h ago`;
  if (passedMs < 2 * dayMs) return "yesterday";
  return passedMs < longMs ? `${Math.floor(passedMs / dayMs)} days ago` : at.slice(0, 10);
}

/** A moment as people say it, with the exact one for who asks. */
export function Moment({ at, now }: { at: string; now: Date }): JSX.Element {
  return (
    <time datetime={at} title={`${at.slice(0, 16).replace("T", " ")} UTC`}>
      {ago(at, now)}
    </time>
  );
}
