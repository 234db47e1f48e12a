import type { StackName } from "../core/stack.ts";
import type { DeployJobView, DeployPhase, PauseView } from "../release/views.ts";
import type { Callback, ParameterValues, Revision, Run, RunOrigin, RunOutcome, RunStatus } from "./run.ts";
import type { RunState } from "./state.ts";

/** A job as it is deployed now: what its next run runs. */
export interface Job extends Revision {
  readonly stack: StackName;
  /** Set while a person's pause of the whole job is in force. */
  readonly pause: PauseView | null;
  /** By schedule's name: a person's pauses of single schedules. They survive deploys. */
  readonly schedulePauses: ReadonlyMap<string, PauseView>;
}

/** A run to be accepted, at the end of the steps that `history` lists: there is at least one. */
export interface NewRun {
  readonly id: string;
  readonly stack: StackName;
  readonly name: string;
  readonly revision: Revision;
  readonly origin: RunOrigin;
  readonly parameters: ParameterValues;
  readonly dueAt: Date;
  readonly acceptedAt: Date;
  readonly history: readonly [RunStatus, ...RunStatus[]];
  readonly attempt: number;
  readonly callback: string | null;
  /** It ends as it is accepted, and somebody may follow it. */
  readonly isChainDue?: boolean;
}

/** Runs of schedules that are about to be due, written down together. */
export interface PreparedBatch {
  readonly id: string;
  readonly runs: readonly PreparedRun[];
}

/** `digest`: of its schedule's mark. */
export interface PreparedRun extends Pick<NewRun, "id" | "stack" | "name" | "revision" | "parameters" | "dueAt"> {
  readonly origin: Extract<RunOrigin, { readonly by: "schedule" }>;
  readonly digest: string;
}

/** That the runs of a batch are being started now, all but these. */
export interface BatchRelease {
  readonly batch: string;
  readonly leftOut: readonly string[];
}

/** A step to another state, with what is known from then on. */
export interface RunChange {
  readonly status: RunStatus;
  readonly dueAt?: Date;
  readonly attempt?: number;
  readonly retries?: number;
  readonly startedAt?: Date | null;
  readonly endedAt?: Date | null;
  readonly outcome?: RunOutcome | null;
  /** It has ended, and somebody may follow it. */
  readonly isChainDue?: boolean;
}

export interface RunFilter {
  readonly repository?: string;
  readonly environment?: string;
  readonly job?: string;
  readonly states?: readonly RunState[];
}

/** How far a schedule was looked at: times up to `until` were fired or passed over. */
export interface ScheduleMark {
  readonly stack: StackName;
  readonly schedule: string;
  /** Of the schedule's times: another rule is looked at from its deploy on. */
  readonly digest: string;
  readonly until: Date;
  /** Of those, the newest that became no runs: their time comes again should the clock be set back before them. */
  readonly passed: Passed | null;
}

/** The times after `after`, up to and with `until`. */
export interface Passed {
  readonly after: Date;
  readonly until: Date;
}

/** What is kept of runs. Losing it loses their history, and nothing of what should be deployed. */
export interface RunStore {
  jobs(): Promise<readonly Job[]>;
  job(stack: StackName): Promise<Job | null>;
  saveSchedulePause(stack: StackName, schedule: string, pause: PauseView | null): Promise<void>;

  /** Writes down what runs will run: their acceptance has less to write then. */
  know(revisions: readonly Revision[]): Promise<void>;
  /**
   * Accepts runs, and moves the marks of the schedules that they come from, in one transaction. Answers those that are
   * new: what was started before by the same schedule's time, run, event or deploy is left out.
   */
  accept(runs: readonly NewRun[], marks?: readonly ScheduleMark[]): Promise<readonly Run[]>;
  /**
   * Writes runs down before their time. They mean nothing until they are released. Answers the ids of those that must not
   * be: a run of the same schedule and time was accepted before.
   */
  prepare(batch: PreparedBatch): Promise<ReadonlySet<string>>;
  /** From here on it is not known of any of them that it was not started: all or none, of all these batches. */
  release(releases: readonly BatchRelease[], at: Date): Promise<void>;
  /**
   * Accepts what was released of a batch as `Pending`, moves the marks of its schedules, and ends the batch. Answers the
   * ordinals of the runs by their ids.
   */
  acceptReleased(batch: string): Promise<ReadonlyMap<string, number>>;
  /** Batches that were released and not accepted. */
  released(): Promise<readonly string[]>;
  /** Removes batches that were not released, or whose runs were surely not started: these, or all. */
  dropPrepared(batches?: readonly string[]): Promise<void>;
  /** Of one job, or of all. */
  marks(stack?: StackName): Promise<readonly ScheduleMark[]>;
  /** Forgets how far a job's schedules were looked at, but for those named. */
  keepMarks(stack: StackName, schedules: readonly string[]): Promise<void>;

  run(id: string): Promise<Run | null>;
  /** What a run runs. */
  revision(id: string): Promise<Revision | null>;
  /** Newest first; `before` is an ordinal for the next page. */
  runs(filter: RunFilter, page: { readonly before?: number; readonly limit: number }): Promise<readonly Run[]>;
  /**
   * Takes the step if the run is still in `from`; null when it is not. The same state again is a new reason. Throws a
   * BUG for a step that is not legal.
   */
  step(id: string, from: RunState, change: RunChange): Promise<Run | null>;
  /** Ended runs whose callback was neither delivered nor given up, oldest first. */
  unsettledCallbacks(): Promise<readonly Run[]>;
  /** Nothing happens where the run has not that end any more. */
  settleCallback(run: Pick<Run, "id" | "endedAt">, callback: Pick<Callback, "settled" | "reason">): Promise<void>;

  /** Ended runs of which it was not looked at who follows them, oldest first. */
  chainsDue(limit: number): Promise<readonly Run[]>;
  /** That was looked at: unless a run has gone on since. */
  settleChains(settled: readonly ChainNote[]): Promise<void>;
  /** Those that a run's end has started, oldest first. */
  followers(id: string): Promise<readonly Run[]>;
  /** The run of a job that one thing has started. */
  caused(stack: StackName, origin: RunOrigin): Promise<Run | null>;

  /** The newest run around a deployment's switches; null before the first. */
  deployStep(stack: StackName, phase: DeployPhase): Promise<DeployStep | null>;
  saveDeployStep(step: DeployStep): Promise<void>;
  /** Says how the run of a step ended; nothing where a newer one has taken its place. */
  endDeployStep(run: string, end: Pick<DeployStep, "state" | "reason">): Promise<void>;
  /** Those whose run had not ended when it was last looked at. */
  runningDeploySteps(): Promise<readonly DeployStep[]>;

  /** Those that hold slots, in the order in which they were accepted. */
  live(): Promise<readonly RunAndRevision[]>;
  /**
   * A job's first waiting runs, in the order in which they are to start, due or not: those whose time was found to have
   * come, and then the others.
   */
  heads(stack: StackName, limit: number): Promise<readonly RunAndRevision[]>;
  /** The jobs with waiting runs, and when the first of each is due. */
  queues(): Promise<readonly Queue[]>;
  /** When the first waiting run of a job is due whose time was not found to have come. */
  nextDueAt(stack: StackName): Promise<Date | null>;
  /** Brings the lines of those who wait for a slot, and were due later than `now`, forward to `now`, in their order. */
  bringForward(now: Date): Promise<void>;
  /** Those whose delay before another attempt began later than `now`. */
  retriesSince(now: Date): Promise<readonly Run[]>;
  /** Takes all waiting runs of a job that are in `from` and due at `dueBefore` or sooner to another state; answers how many. */
  stepAll(stack: StackName, from: readonly ToCome[], step: { dueBefore: Date; status: RunStatus }): Promise<number>;
  /** The ended runs of a job that are kept no longer, oldest first, at most `limit`. */
  superfluous(stack: StackName, kept: Kept, limit: number): Promise<readonly Superfluous[]>;
  /** Removes those of them that have ended. */
  remove(ids: readonly string[]): Promise<void>;
}

export interface RunAndRevision {
  readonly run: Run;
  /** What it runs. */
  readonly revision: Revision;
}

/** A job's run around a deployment's switch. */
export interface DeployStep {
  /** Of the deployment. */
  readonly stack: StackName;
  readonly phase: DeployPhase;
  readonly snapshot: number;
  /** Of the revision. */
  readonly digest: string;
  readonly job: string;
  readonly run: string;
  readonly state: DeployJobView["state"];
  readonly reason: string;
}

export interface ChainNote {
  readonly run: Pick<Run, "id" | "status" | "attempt">;
  /** Why somebody was not started; empty when there is nothing to say. */
  readonly note: string;
}

/** The newest so many of each sort of end, of those that did not end before `since`. */
export interface Kept {
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly since: Date | null;
}

/** `target`: where its files are. */
export interface Superfluous {
  readonly id: string;
  readonly target: string;
}

/** Waiting, and its time was not found to have come. */
export type ToCome = Extract<RunState, "Scheduled" | "Late" | "Retrying">;

export interface Queue {
  readonly stack: StackName;
  readonly firstDueAt: Date;
}
