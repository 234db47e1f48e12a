import type { DriftView } from "./views.ts";

const shownLength = 200;

/** One line for people: what is otherwise than it was applied, and by whom; when is for the reader to add. */
export function driftWords({ object, field, wanted, found, by, note }: DriftView): string {
  const doer = by === null ? "" : `, by ${by}`;
  const after = note === "" ? "" : ` (${note})`;
  if (field === null) return `${object} ${found === null ? "is gone" : `is ${text(found)}`}${doer}${after}`;
  return `${object}: ${field} is ${text(found)} instead of ${text(wanted)}${doer}${after}`;
}

function text(value: unknown): string {
  if (value === null) return "absent";
  const json = typeof value === "string" && /^[\x21-\x7e ]+$/.test(value) ? value : JSON.stringify(value);
  return json.length > shownLength ? `${json.slice(0, shownLength)}…` : json;
}
