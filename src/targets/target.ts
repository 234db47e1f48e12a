import type { WaybillError } from "../core/errors.ts";
import type { StackName } from "../core/stack.ts";
import type { Program } from "../engine/engine.ts";
import type { Step } from "../engine/step.ts";
import type { Ahead, ObjectChange } from "../release/deployer.ts";
import type { Rollouts } from "./rollout.ts";
import type { LogFilter } from "./log-filter.ts";
import type { RunExecutor } from "./run-executor.ts";
import type { Sleeper } from "./sleep/keeper.ts";
import type { LogLine, Workload, WorkloadStatus } from "./workload.ts";

export interface StatusChange {
  readonly stack: StackName;
  readonly status: WorkloadStatus;
}

export interface LogRequest extends LogFilter {
  /** How many of the newest lines to begin with. */
  readonly lines: number;
  /** Goes on with what is written, in this revision and the next ones, until the signal aborts. */
  readonly follow: boolean;
  /** What containers said before they were last started, and nothing else. Never with `follow`. */
  readonly previous?: boolean;
  /** Only this pod's: its name, or how that ends. */
  readonly pod?: string;
  readonly signal: AbortSignal;
}

/** What several deployments stand on: applied as a stack of its own before the first, removed after the last of them. */
export interface Foundation {
  readonly stack: StackName;
  readonly program: Program;
  /** Equal digests: equal programs. */
  readonly digest: string;
}

export interface TargetPreview {
  readonly program: Program;
  /** The engine's steps as people read them. */
  readonly objects: (steps: readonly Step[]) => readonly ObjectChange[];
}

/** Whether nobody gets in without an identity. */
export interface Guard {
  /** Throws where a request without an identity is not refused. */
  check(signal: AbortSignal): Promise<void>;
  /** Whether `check` tells as much while the addresses are withdrawn. */
  readonly asksWithdrawn: boolean;
  /** The workload's program with nothing that leads to it; `reason` is for whoever opens its address. */
  withdrawn(reason: string): Program;
}

/** One time of a schedule for which a target has started a run by itself. */
export interface Fired {
  /** Of the run: see `isFiredByTarget`. */
  readonly id: string;
  readonly stack: StackName;
  readonly schedule: string;
  readonly time: Date;
}

/** Schedules that a target fires by itself, whether there is a server or not. */
export interface TargetSchedules {
  /** Which of a job's schedules these are, as it was applied. */
  namesOf(workload: Workload): ReadonlySet<string>;
  /** What it has fired of one job, or of all, as far as that is still known, oldest first. */
  fired(stack: StackName | null, signal: AbortSignal): Promise<readonly Fired[]>;
  /** Called with what it fires, each once or more often, until the answer is called. */
  onFired(listener: (fired: Fired) => void): () => void;
  /** Has it fire the times after `from`, where it did not fire before; null: none any more. */
  set(workload: Workload, schedule: string, from: Date | null, signal: AbortSignal): Promise<void>;
}

/** What deployments run on: a program for each workload, and how it is afterwards. */
export interface Target {
  /** The Pulumi program of a workload; throws TARGET_UNSUPPORTED for what this target cannot run. */
  program(workload: Workload): Program;
  /** Absent or null: a workload's program makes all that it needs. */
  foundation?(workload: Workload): Foundation | null;
  /** Checked after each apply, once its routes are in force. Absent or null: there is nobody to ask. */
  guard?(workload: Workload): Guard | null;
  /** Resolves once the addresses that are for everybody lead there, or after a while. Absent or null: they do at once. */
  opening?(workload: Workload): ((signal: AbortSignal) => Promise<void>) | null;
  /** Absent: a new revision always finds room beside the old one. */
  readonly rollouts?: Rollouts;
  /** What starts a job's runs. Absent or null: jobs are checked here, and not run. */
  executor?(job: Pick<Workload, "target">): RunExecutor | null;
  /** What fires schedules without the server. Absent: nothing does. */
  readonly schedules?: TargetSchedules;
  /** Absent: nothing of it sleeps. */
  readonly sleeper?: Sleeper;
  /** Why applying the workload failed, in the user's words; null where the error says it best. */
  explain?(workload: Workload, error: unknown, signal: AbortSignal): Promise<WaybillError | null>;
  /**
   * Stops what an apply that failed for good has left, which would go on failing and keep its room. `previous` is what
   * ran before, and runs on.
   */
  withdraw?(workload: Workload, previous: Workload | null, signal: AbortSignal): Promise<void>;
  /** Begins with what an apply of the workload will ask for. Absent: nothing is begun ahead. */
  prepare?(workload: Workload, ahead: Ahead): void;
  /** The program to ask the target about, before anything is applied. Absent or null: there is nothing to ask. */
  preview?(workload: Workload): TargetPreview | null;
  /** What the plan should say about this workload on this target, in the user's words. */
  notices(workload: Workload): readonly string[];
  /** How what runs for the stack is; null where nothing does (a site, a job, paused, stopped). */
  status(stack: StackName): WorkloadStatus | null;
  /** Answers how to stop listening. */
  onStatus(listener: (change: StatusChange) => void): () => void;
  /** Oldest first; with `follow`, until the signal aborts. */
  logs(stack: StackName, request: LogRequest): AsyncIterable<LogLine>;
}
