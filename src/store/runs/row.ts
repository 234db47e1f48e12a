import type { Selectable } from "kysely";
import { WaybillError } from "../../core/errors.ts";
import type { Run, RunOrigin, RunStatus } from "../../runs/run.ts";
import type { RunsTable, StoredStatus } from "./tables.ts";

export type RunRow = Selectable<RunsTable> & { readonly snapshot: number | null; readonly commit: string };

export function runOf(row: RunRow): Run {
  const history = row.history.map(statusOf);
  const status = history.at(-1);
  if (!status) throw new WaybillError("BUG", `run ${row.id} has no history`);
  return {
    id: row.id,
    ordinal: row.ordinal,
    stack: { repository: row.repository, environment: row.environment, deployment: row.job },
    name: row.name,
    revision: { snapshot: row.snapshot, commit: row.commit },
    origin: originOf(row),
    parameters: row.parameters,
    acceptedAt: row.accepted_at,
    dueAt: row.due_at,
    status,
    history,
    attempt: row.attempt,
    retries: row.retries,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    outcome: row.outcome,
    callback:
      row.callback_url === null
        ? null
        : { url: row.callback_url, settled: row.callback_settled, reason: row.callback_reason },
  };
}

function originOf({ schedule, schedule_time: time, asked_by: name, rerun_of: rerunOf }: RunRow): RunOrigin {
  if (schedule !== null && time !== null) return { by: "schedule", schedule, time };
  return { by: "person", name: name ?? "", rerunOf };
}

const statusOf = ({ since, ...status }: StoredStatus): RunStatus => ({ ...status, since: new Date(since) });
