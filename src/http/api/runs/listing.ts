import { WaybillError } from "../../../core/errors.ts";
import type { RunDetail, Runs } from "../../../runs/runs.ts";
import type { RunFilter } from "../../../runs/store.ts";
import { toCursor, type PageRequest } from "../../paging.ts";

/** One page of runs, newest first. */
export async function runPage(
  runs: Pick<Runs, "runs">,
  filter: RunFilter,
  { limit, after }: PageRequest,
): Promise<{ readonly shown: readonly RunDetail[]; readonly next: string | null }> {
  const found = await runs.runs(filter, { limit: limit + 1, ...(after !== null && { before: ordinalOf(after) }) });
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : undefined;
  return { shown, next: last ? toCursor(String(last.run.ordinal)) : null };
}

function ordinalOf(after: string): number {
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new WaybillError("REQUEST_INVALID", "cursor is not the `next` of an earlier page");
}
