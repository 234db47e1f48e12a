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
    chainNote: row.chain_note,
    callback:
      row.callback_url === null
        ? null
        : { url: row.callback_url, settled: row.callback_settled, reason: row.callback_reason },
  };
}

function originOf(row: RunRow): RunOrigin {
  const { schedule, schedule_time: time, asked_by: name, rerun_of: rerunOf } = row;
  if (schedule !== null && time !== null) return { by: "schedule", schedule, time };
  const [causeName, key] = [row.cause_name ?? "", row.cause_key ?? ""];
  switch (row.cause) {
    case "after":
      return { by: "after", entry: causeName, run: key };
    case "event":
      return { by: "event", event: causeName, delivery: key };
    case "deployment": {
      const [deployment = "", phase] = causeName.split("/");
      return { by: "deployment", deployment, phase: phase === "after" ? "after" : "before", revision: key };
    }
    case null:
      return { by: "person", name: name ?? "", rerunOf };
    default:
      return row.cause satisfies never;
  }
}

type Cause = Pick<Selectable<RunsTable>, "cause" | "cause_name" | "cause_key">;

/** What makes a run the only one of its kind; null of a schedule's and a person's. */
export function causeOf(origin: RunOrigin): Cause {
  switch (origin.by) {
    case "after":
      return { cause: "after", cause_name: origin.entry, cause_key: origin.run };
    case "event":
      return { cause: "event", cause_name: origin.event, cause_key: origin.delivery };
    case "deployment":
      return {
        cause: "deployment",
        cause_name: `${origin.deployment}/${origin.phase}`,
        cause_key: origin.revision,
      };
    case "schedule":
    case "person":
      return { cause: null, cause_name: null, cause_key: null };
    default:
      return origin satisfies never;
  }
}

const statusOf = ({ since, ...status }: StoredStatus): RunStatus => ({ ...status, since: new Date(since) });
