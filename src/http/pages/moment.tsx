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

/** `at once`, `in 5 min`, `in 3 days`; the date itself for what is more than two weeks away. */
export function ahead(at: string, now: Date): string {
  const leftMs = Date.parse(at) - now.getTime();
  if (leftMs < minuteMs) return leftMs <= 0 ? "at once" : "in less than a minute";
  if (leftMs < hourMs) return `in ${Math.floor(leftMs / minuteMs)} min`;
  if (leftMs < dayMs) return `in ${Math.floor(leftMs / hourMs)} h`;
  if (leftMs < 2 * dayMs) return "in a day";
  return leftMs < longMs ? `in ${Math.floor(leftMs / dayMs)} days` : at.slice(0, 10);
}

const exactly = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;

/** A moment as people say it, with the exact one for who asks. */
export function Moment({ at, now }: { at: string; now: Date }): JSX.Element {
  return (
    <time datetime={at} title={exactly(at)}>
      {ago(at, now)}
    </time>
  );
}

/** A moment to come, both ways: who plans wants the hour, too. */
export function Coming({ at, now }: { at: string; now: Date }): JSX.Element {
  return (
    <time datetime={at}>
      {ahead(at, now)} <span class="of">{exactly(at)}</span>
    </time>
  );
}
