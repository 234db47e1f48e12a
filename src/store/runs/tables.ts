import type { ColumnType, Generated } from "kysely";
import type { PauseView } from "../../release/views.ts";
import type { Callback, JobWorkload, ParameterValues, RunOutcome, RunStatus } from "../../runs/run.ts";
import type { RunState } from "../../runs/state.ts";

export interface RunSchema {
  run_revisions: RevisionsTable;
  runs: RunsTable;
  prepared_runs: PreparedRunsTable;
  schedule_marks: MarksTable;
  schedule_pauses: SchedulePausesTable;
}

type Json<Value> = ColumnType<Value, string, string>;

/** What runs run, once for all runs of the same. */
export interface RevisionsTable {
  digest: string;
  workload: Json<JobWorkload>;
  snapshot: number | null;
  commit: string;
}

export interface RunsTable {
  id: string;
  ordinal: Generated<number>;
  repository: string;
  environment: string;
  job: string;
  name: string;
  revision: string;
  /** With a schedule's run both of these, with a person's `asked_by`. */
  schedule: string | null;
  schedule_time: Date | null;
  asked_by: string | null;
  rerun_of: string | null;
  parameters: Json<ParameterValues>;
  accepted_at: Date;
  due_at: Date;
  state: RunState;
  /** The last one is the run's status. */
  history: Json<readonly StoredStatus[]>;
  attempt: number;
  retries: Generated<number>;
  started_at: Date | null;
  ended_at: Date | null;
  outcome: ColumnType<RunOutcome | null, string | null, string | null>;
  /** With neither a schedule's run nor a person's: all three. */
  cause: "after" | "event" | "deployment" | null;
  cause_name: string | null;
  cause_key: string | null;
  chain_due: Generated<boolean>;
  chain_note: Generated<string>;
  callback_url: string | null;
  callback_settled: Callback["settled"];
  callback_reason: Generated<string>;
}

export interface PreparedRunsTable {
  id: string;
  runs: ColumnType<unknown, string, never>;
  released_at: Date | null;
  left_out: Generated<readonly string[]>;
}

/** As JSON has it: times are text. */
export type StoredStatus = Omit<RunStatus, "since"> & { readonly since: string };

export interface MarksTable {
  repository: string;
  environment: string;
  job: string;
  schedule: string;
  digest: string;
  until: Date;
  passed_after: Date | null;
  passed_until: Date | null;
}

export interface SchedulePausesTable {
  repository: string;
  environment: string;
  job: string;
  schedule: string;
  pause: Json<PauseView>;
}
