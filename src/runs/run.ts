import type { StackName } from "../core/stack.ts";
import type { DeployPhase } from "../release/views.ts";
import type { Workload } from "../release/workload.ts";
import type { ResolvedJob } from "../spec/resolved.ts";
import type { OutputFile } from "../targets/run-executor.ts";
import type { RunState } from "./state.ts";

export type ParameterValues = Readonly<Record<string, unknown>>;

/** What a run runs: a job as one snapshot defines it. */
export interface Revision {
  readonly workload: JobWorkload;
  /** `waybill/production/8`'s number; null where only the content is known, not which snapshot brought it. */
  readonly snapshot: number | null;
  readonly commit: string;
}

export type JobWorkload = Workload & { readonly spec: ResolvedJob };

/** Who or what asked for a run. */
export type RunOrigin =
  /** `time`: the schedule's own, before jitter. A job, a schedule's name and a time are one run. */
  | { readonly by: "schedule"; readonly schedule: string; readonly time: Date }
  /** The end of another job's run. `entry`: which one of the job's `after`, by name. */
  | { readonly by: "after"; readonly entry: string; readonly run: string }
  /** `delivery`: the sender's own id of it. */
  | { readonly by: "event"; readonly event: string; readonly delivery: string }
  | DeployOrigin
  | { readonly by: "person"; readonly name: string; readonly rerunOf: string | null };

/** A deployment goes over to a new revision, which `revision` tells from others. */
export interface DeployOrigin {
  readonly by: "deployment";
  readonly deployment: string;
  readonly phase: DeployPhase;
  readonly revision: string;
}

export interface RunStatus {
  readonly state: RunState;
  readonly since: Date;
  /** Why, in the user's words; empty when there is nothing to say. */
  readonly reason: string;
  /** What has to happen before it goes on; null when it waits for nothing. */
  readonly waitingFor: string | null;
}

export const statusAt = (
  since: Date,
  state: RunState,
  { reason = "", waitingFor = null }: Partial<Pick<RunStatus, "reason" | "waitingFor">> = {},
): RunStatus => ({ state, since, reason, waitingFor });

/** How the newest attempt ended. */
export interface RunOutcome {
  /** Null where a signal ended it, or nobody knows. */
  readonly exitStatus: number | null;
  readonly signal: string | null;
  /** The most that its processes held at one look; null where nobody looked. */
  readonly peakMemoryBytes: number | null;
  /** What it wrote to `$WAYBILL_RESULT`, null for nothing. */
  readonly result: unknown;
  /** What it left under `$WAYBILL_OUTPUT`. */
  readonly files: readonly OutputFile[];
}

export interface Run {
  /** `a-z`, `0-9`, and `-` in those that a cluster has fired: fit for file names, hosts and URLs. */
  readonly id: string;
  /** Counts up with acceptance: the order of the queue among equals. */
  readonly ordinal: number;
  readonly stack: StackName;
  /** As given by whoever asked; empty for none. */
  readonly name: string;
  readonly revision: Pick<Revision, "snapshot" | "commit">;
  readonly origin: RunOrigin;
  readonly parameters: ParameterValues;
  readonly acceptedAt: Date;
  /** Not before this time: of the next attempt while it is `Retrying`. */
  readonly dueAt: Date;
  readonly status: RunStatus;
  /** Every status it has had, oldest first. */
  readonly history: readonly RunStatus[];
  /** Counts starts: no two of them have the same number. */
  readonly attempt: number;
  /** How many attempts have failed and were followed by another, or are to be. */
  readonly retries: number;
  /** Of the newest attempt. */
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly outcome: RunOutcome | null;
  readonly callback: Callback | null;
  /** Why a job that follows this one's was not started after it; empty when there is nothing to say. */
  readonly chainNote: string;
}

export interface Callback {
  readonly url: string;
  /** Null until it was delivered or given up. */
  readonly settled: "delivered" | "failed" | null;
  readonly reason: string;
}
