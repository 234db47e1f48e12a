import type { LogRequest } from "./target.ts";
import type { LogLine, SecretUse, Workload } from "./workload.ts";

/** So much is kept of what one run leaves, where settings say nothing else. */
export const usualOutputBytes = 2 ** 30;

/** One start of one run, as data: no secret's value, no parameter within a command. */
export interface RunOrder {
  readonly run: string;
  /** A number is used for one start at most: an order that is given again starts nothing. */
  readonly attempt: number;
  /** Of a job. */
  readonly workload: Workload;
  /** Shell text whose parameters are variables of `env`; null where an image runs its own. */
  readonly command: string | null;
  /** The run's own variables: they stand over those of the workload. */
  readonly env: Readonly<Record<string, string>>;
  /** Secrets that parameters refer to, beyond those of the workload. */
  readonly secrets: readonly SecretUse[];
}

/** The first start of a run that its target has fired by itself; the run is called what the target calls it. */
export const isFiredByTarget = ({ run, attempt }: Pick<RunOrder, "run" | "attempt">): boolean =>
  attempt === 1 && run.includes("-");

/** A file that a run left under `$WAYBILL_OUTPUT`. */
export interface OutputFile {
  /** Relative, with `/` between names. */
  readonly path: string;
  readonly bytes: number;
}

/** How a start ended. */
export interface RunEnd {
  /** Null where a signal ended it, or nobody knows. */
  readonly exitStatus: number | null;
  readonly signal: string | null;
  /** Who or what ended it from outside, in the user's words; null where it ended by itself. */
  readonly crash: string | null;
  /** The reason in the user's words, with the last lines of its log; empty for success. */
  readonly reason: string;
  /** It was ended by its target because it took longer than its timeout. */
  readonly isTimedOut?: boolean;
  readonly endedAt: Date;
  readonly peakMemoryBytes: number | null;
  /** What was written to `$WAYBILL_RESULT`: JSON, null for nothing. */
  readonly result: unknown;
  /** Why the result is not taken; null when all is well with it. */
  readonly resultFault: string | null;
  readonly files: readonly OutputFile[];
}

/** A program that was started for a run. */
export interface StartedRun {
  readonly startedAt: Date;
  /** Resolves with how it ended; rejects when the signal aborts, or with RUN_REPLACED. */
  ended(signal: AbortSignal): Promise<RunEnd>;
  /** The polite signal, the grace time of its file, the last signal; resolves when all of it has ended. */
  stop(because: string): Promise<void>;
}

export type Adopted =
  /** And it never will be: its number is used up. */
  { readonly kind: "never started" } | { readonly kind: "started"; readonly started: StartedRun };

export interface RunStartOptions {
  /** It is not wanted any more, or the server stops. */
  readonly signal: AbortSignal;
  /** The server stops: what was begun may go on, and is adopted by the next. */
  readonly closing: AbortSignal;
  /** What is being done before its program starts. */
  readonly onProgress: (message: string) => void;
  /** What has to happen before its program can start, in the user's words; null once there is nothing of the kind. */
  readonly onWaiting: (what: string | null) => void;
}

/**
 * What a target does for runs. Everything survives the server: what was started is found again by `adopt`. What the
 * target has ended to make room for another run is RUN_REPLACED, whenever it is asked for.
 */
export interface RunExecutor {
  /** Starts the program and resolves once it runs. Rejects with a WaybillError when it cannot: then nothing of it runs. */
  start(order: RunOrder, options: RunStartOptions): Promise<StartedRun>;
  /**
   * What became of a start that another server made, or broke off. One that has ended is `started` too, and has ended; one
   * that has yet to run is waited for. Rejects like `start`.
   */
  adopt(order: RunOrder, options: RunStartOptions): Promise<Adopted>;
  /** Oldest first; with `follow`, until the signal aborts. */
  logs(run: string, request: LogRequest): AsyncIterable<LogLine>;
  /** Null where there is no such file. */
  openFile(run: string, path: string): Promise<{ readonly bytes: number; readonly body: ReadableStream } | null>;
  /** Removes all that is kept of an ended run. */
  forget(run: string): Promise<void>;
}
