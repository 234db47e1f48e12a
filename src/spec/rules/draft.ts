import type { SpecContext } from "../context.ts";
import type { JobFields, Kind, ServiceFields, SiteFields } from "../deployment.ts";
import type { Finding, Path } from "../problem.ts";
import type { ProblemCode } from "../problem-table.ts";
import type { Calendar } from "./calendar.ts";

/** What is left of a value when every part with a problem is taken out: anything may be missing, list items are null. */
export type Drafted<T> = T extends readonly (infer Item)[]
  ? readonly (Drafted<Item> | null)[]
  : T extends object
    ? { readonly [Key in keyof T]?: Drafted<T[Key]> | undefined }
    : T;

/** A document of any kind, as far as its schema found nothing wrong with it. */
export type Draft = Drafted<
  { name: string } & ServiceFields &
    Pick<
      JobFields,
      "parameters" | "schedules" | "after" | "events" | "concurrency" | "retries" | "history" | "timeout"
    > &
    Pick<SiteFields, "folder" | "spa">
> & { readonly kind: Kind };

/** What a rule is given: what to look at, what the server has, and where to say what is wrong. */
export interface Inspection {
  readonly draft: Draft;
  readonly context: SpecContext;
  readonly calendar: Calendar;
  readonly report: Report;
  /** Whether there is something at a path, right or wrong: what is wrong is not missing too. */
  readonly isWritten: (path: Path) => boolean;
}

export function isWrittenIn(document: unknown, path: Path): boolean {
  let value = document;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return false;
    value = (value as Record<string | number, unknown>)[step];
  }
  return true;
}

export type Report = (path: Path, code: ProblemCode, message: string, at?: Finding["at"]) => void;

/** A copy of `document` without what the findings are about. Missing fields and the root itself are left as they are. */
export function prune(document: unknown, findings: readonly Finding[]): unknown {
  let copy = document;
  for (const { path, code } of findings) {
    if (path.length > 0 && !(code === "FIELD_MISSING" && path.length === 1)) copy = without(copy, path);
  }
  return copy;
}

function without(value: unknown, [step, ...rest]: Path): unknown {
  if (step === undefined) return value;
  if (Array.isArray(value)) {
    const items: unknown[] = [...value];
    items[Number(step)] = rest.length === 0 ? null : without(items[Number(step)], rest);
    return items;
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return value;
  const { [step]: inner, ...others } = value as Record<string, unknown>;
  return rest.length === 0 ? others : { ...others, [step]: without(inner, rest) };
}
