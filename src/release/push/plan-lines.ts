import type { FieldChange } from "../define/differences.ts";
import type { ObjectChange } from "../deployer.ts";
import type { Change, Plan } from "../plan.ts";

const signs = { create: "+", update: "~", replace: "±", delete: "-", unchanged: "=" } as const;
const maxFieldsShown = 6;
const maxObjectsShown = 12;
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
  return [head, ...shown, ...moreLine("    ", more), ...objectLines(change.objects ?? [])];
}

const moreLine = (indent: string, more: number): readonly string[] =>
  more > 0 ? [`${indent}and ${more} more fields`] : [];

/** What it comes to at the target: what people did not write themselves is counted, but for what was made otherwise. */
function objectLines(objects: readonly ObjectChange[]): readonly string[] {
  const shown = objects.slice(0, maxObjectsShown).flatMap((object) => {
    const { action, kind, name, was, fields, filled } = object;
    const other = filled.filter(({ from }) => from !== null);
    const all = [...fields, ...(action === "replace" ? [] : other)];
    const lines = all.slice(0, maxFieldsShown).map((field) => `        ${fieldLine(field)}`);
    const head = `    ${signs[action]} ${kind} ${name}${was === undefined ? "" : ` for ${was}`}`;
    return [head, ...lines, ...moreLine("        ", all.length - lines.length)];
  });
  const more = objects.length - maxObjectsShown;
  const filled = objects.flatMap((object) => object.filled.filter(({ from }) => from === null)).length;
  return [
    ...shown,
    ...(more > 0 ? [`    and ${more} more objects`] : []),
    ...(filled > 0 ? [`    ${filled} fields filled in by the target`] : []),
  ];
}

const fieldLine = ({ path, from, to }: FieldChange): string => `${path}: ${short(from)} -> ${short(to)}`;

function short(value: unknown): string {
  const text = value === null ? "none" : JSON.stringify(value);
  return text.length > maxValueLength ? `${text.slice(0, maxValueLength - 1)}…` : text;
}
