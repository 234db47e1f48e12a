import type { FieldChange } from "../define/differences.ts";
import type { Change, Plan } from "../plan.ts";

const signs = { create: "+", update: "~", replace: "±", delete: "-", unchanged: "=" } as const;
const maxFieldsShown = 6;
const maxValueLength = 60;

/** The plan as people read it: a line per changed deployment, its changed fields under it, and a count. */
export function planLines(plan: Plan): readonly string[] {
  const changed = plan.changes.filter(({ action }) => action !== "unchanged");
  return [
    ...changed.flatMap(changeLines),
    summary(plan.changes),
    ...plan.notices.map((notice) => `note: ${notice}`),
    ...(plan.waitsFor === null ? [] : [`waits for a person: ${plan.waitsFor}`]),
  ];
}

/** `1 to create, 2 to replace, 7 unchanged`. */
function summary(changes: readonly Change[]): string {
  const count = (action: Change["action"]): number => changes.filter((change) => change.action === action).length;
  const parts = (["create", "update", "replace", "delete"] as const)
    .filter((action) => count(action) > 0)
    .map((action) => `${count(action)} to ${action}`);
  const unchanged = count("unchanged");
  if (unchanged > 0) parts.push(`${unchanged} unchanged`);
  return parts.join(", ") || "nothing is deployed and nothing would be";
}

function changeLines(change: Change): readonly string[] {
  const head = `${signs[change.action]} ${change.action} ${change.kind} ${change.name}: ${change.reasons.join("; ")}`;
  const shown = change.fields.slice(0, maxFieldsShown).map((field) => `    ${fieldLine(field)}`);
  const more = change.fields.length - shown.length;
  return [head, ...shown, ...(more > 0 ? [`    and ${more} more fields`] : [])];
}

const fieldLine = ({ path, from, to }: FieldChange): string => `${path}: ${short(from)} -> ${short(to)}`;

function short(value: unknown): string {
  const text = value === null ? "none" : JSON.stringify(value);
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength - 1)}…` : text;
}
