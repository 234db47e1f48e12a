import type { Feed } from "../core/feed.ts";
import type { Identity } from "../core/identity.ts";
import type { StackName } from "../core/stack.ts";
import type { PauseView } from "../release/views.ts";
import type { ResolvedFollow } from "../spec/resolved.ts";
import type { LogLine } from "../targets/workload.ts";
import type { LogRequest } from "../targets/target.ts";
import type { ParameterValues, Run } from "./run.ts";
import type { Job, RunFilter } from "./store.ts";

export interface StartRequest {
  readonly stack: StackName;
  readonly parameters: ParameterValues;
  readonly name: string;
  /** Null: at once. */
  readonly at: Date | null;
  readonly callback: string | null;
  readonly actor: Identity;
}

/** A run, and what can be said of it only now. */
export interface RunDetail {
  readonly run: Run;
  /** What it waits for at this moment; null for nothing. */
  readonly waitingFor: string | null;
}

export interface UpcomingRun {
  readonly schedule: string;
  /** Its cluster, whether there is a server or not. */
  readonly isFiredByTarget: boolean;
  readonly at: Date;
  readonly parameters: ParameterValues;
}

export interface ScheduleDetail {
  readonly name: string;
  /** False where its file says so. */
  readonly isActive: boolean;
  readonly pause: PauseView | null;
  readonly next: Date | null;
}

/** A job and one that starts after its runs. */
export interface ChainLink {
  readonly entry: ResolvedFollow;
  /** The job that follows. */
  readonly follower: StackName;
  /** Why it does not start by itself now, in the user's words; null when it does. */
  readonly rest: string | null;
}

export interface ChainDetail {
  /** The jobs that this one follows. */
  readonly after: readonly ChainLink[];
  /** The jobs that follow this one. */
  readonly followedBy: readonly ChainLink[];
  /** The events that start a run. */
  readonly events: readonly string[];
}

/** Everything a person or a program can do with runs. Each failure is a WaybillError. */
export interface Runs {
  job(stack: StackName): Job;
  /** Accepts a run of what is deployed. Throws PARAMETERS_INVALID with all that is wrong, CONFLICT for a stopped job. */
  start(request: StartRequest): Promise<Run>;
  run(id: string): Promise<RunDetail>;
  /** Those that the end of a run has started, oldest first. */
  followers(id: string): Promise<readonly Run[]>;
  /** Newest first; `before` is an ordinal for the next page. */
  runs(filter: RunFilter, page: { readonly before?: number; readonly limit: number }): Promise<readonly RunDetail[]>;
  cancel(id: string, actor: Identity): Promise<Run>;
  /** Another attempt of a run that ended without having completed. */
  retry(id: string, actor: Identity): Promise<Run>;
  /** A new run with the same parameters: of what the first one ran, or of what is deployed now. */
  rerun(id: string, options: { readonly revision: "same" | "newest"; readonly actor: Identity }): Promise<Run>;
  /** Its log, over all attempts; with `follow`, until the run has ended. */
  logs(id: string, request: LogRequest): AsyncIterable<LogLine>;
  /** A file that it left under `$WAYBILL_OUTPUT`. */
  openFile(id: string, path: string): Promise<{ readonly bytes: number; readonly body: ReadableStream }>;
  /** What starts a job besides people and schedules, and what it starts. */
  chain(stack: StackName): ChainDetail;
  schedules(stack: StackName): readonly ScheduleDetail[];
  pauseSchedule(request: ScheduleRequest & { readonly reason: string }): Promise<readonly ScheduleDetail[]>;
  resumeSchedule(request: ScheduleRequest): Promise<readonly ScheduleDetail[]>;
  /**
   * As computed: nothing of it is stored. At least 3 of each schedule that has them, at most 100, within 100 days. First
   * those whose time has come and that are not in the list yet.
   */
  upcoming(stack: StackName): readonly UpcomingRun[];
  /** Every run that took a step, from the call on. */
  readonly changes: Pick<Feed<Run>, "follow" | "listen">;
}

export interface ScheduleRequest {
  readonly stack: StackName;
  readonly schedule: string;
  readonly actor: Identity;
}
