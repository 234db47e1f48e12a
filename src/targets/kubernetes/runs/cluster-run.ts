import { writeFileSync, renameSync, readFileSync, existsSync } from "node:fs";
import { backoffMs } from "../../../core/waiting/backoff.ts";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, type WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { RunEnd, StartedRun } from "../../run-executor.ts";
import { lastLines, note } from "../../local/logs/log-file.ts";
import { redact, type SecretValues } from "../../local/processes/environment.ts";
import { orAborted } from "../../local/processes/launch.ts";
import { listFiles, readResult, type RunFolder } from "../../local/runs/run-folder.ts";
import { describeEnd } from "../../local/runs/words.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { RunStart } from "../sources/signature.ts";
import type { HandOvers } from "./hand-over.ts";
import { endingOf, hasEnded, isOfStartScript, isOver, programOf, type Ending } from "./run-end.ts";
import { copyLog } from "./run-log.ts";
import { hasJobEnded, isOverdueJob, type Followed } from "./run-sight.ts";

export interface ClusterRunParts {
  readonly start: RunStart;
  readonly followed: Followed;
  readonly folder: RunFolder;
  readonly logStart: number;
  readonly startedAt: Date;
  readonly values: SecretValues;
  readonly stopSeconds: number;
  /** A CronJob has made its Job, which tries again by itself. */
  readonly isFired: boolean;
  /** Whether somebody hands over what it leaves. */
  readonly isKept: boolean;
  readonly handOvers: HandOvers;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  /** Has its Job ended and removed, with all that it owns; resolves when the cluster has been told. */
  readonly end: (signal: AbortSignal) => Promise<void>;
  /** That another run has taken its place, where its Job is gone; null where none has. */
  readonly replaced: (signal: AbortSignal) => Promise<WaybillError | null>;
  /** Removes what is left of it in the cluster. */
  readonly clear: () => Promise<boolean>;
}

// What ends late is looked at without news, too.
const lookMs = 5_000;
// After its grace time a kubelet has said how a program ended, or says nothing any more.
const silenceMs = 60_000;
// A pod that reaches the server begins to hand over within a second, or when its network has come to itself.
const handOverMs = 120_000;
const logMs = 15_000;

/** One start of a run, from its pod's first running moment on. */
export class ClusterRun implements StartedRun {
  readonly #parts: ClusterRunParts;
  readonly #closing = new AbortController();
  readonly #over = new AbortController();
  readonly #end: Promise<RunEnd>;
  #stopping: Promise<void> | null = null;

  constructor(parts: ClusterRunParts) {
    this.#parts = parts;
    this.#end = this.#watch();
    // Whoever awaits the end sees why nobody will know of it.
    this.#end.catch(() => undefined);
  }

  get startedAt(): Date {
    return this.#parts.startedAt;
  }

  /** Resolves when nobody looks at it any more. */
  get settled(): Promise<void> {
    return this.#end.then(
      () => undefined,
      () => undefined,
    );
  }

  ended(signal: AbortSignal): Promise<RunEnd> {
    return orAborted(this.#end, signal);
  }

  async stop(because: string): Promise<void> {
    this.#stopping ??= this.#stop(because);
    await this.#stopping;
    await this.settled;
  }

  /** Its pod runs on; nobody here will hear of its end. */
  letGo(): void {
    this.#closing.abort(new Error("the server is stopping"));
  }

  async #stop(because: string): Promise<void> {
    const { folder, clock, end, log, start, followed } = this.#parts;
    const { pod } = followed.view();
    if (pod && !hasEnded(pod)) note(folder.log, clock.now(), `being ended: ${because}`);
    const over = AbortSignal.any([this.#closing.signal, this.#over.signal]);
    for (let failures = 1; !over.aborted; failures += 1) {
      try {
        return await end(over);
      } catch (error) {
        if (over.aborted) return;
        log.warn({ run: start.run, error: messageOf(error) }, "a run cannot be ended yet");
        await clock.sleep(backoffMs({ failures, firstMs: 500, maxMs: 10_000 }), over).catch(() => undefined);
      }
    }
  }

  async #watch(): Promise<RunEnd> {
    const { followed, clear, log, start } = this.#parts;
    const { signal } = this.#closing;
    const copying = this.#copy();
    try {
      const ending = await this.#awaitEnding();
      await this.#awaitLog(copying);
      if (ending.cause === removed) await this.#throwReplaced();
      // Where nobody saw the program's end, nobody hands over what it left.
      const fault = ending.endedAt === null ? null : await this.#awaitLeft();
      signal.throwIfAborted();
      const end = await this.#describe(ending, fault);
      keep(this.#parts.folder.exit(start.attempt), { startedAt: this.startedAt, end });
      log.debug({ run: start.run, attempt: start.attempt }, "run end kept");
      await clear();
      log.debug({ run: start.run, attempt: start.attempt }, "run cleared");
      return end;
    } finally {
      this.#over.abort();
      followed.release();
      await copying;
    }
  }

  async #throwReplaced(): Promise<void> {
    const { replaced, folder, clock } = this.#parts;
    const by = await replaced(this.#closing.signal);
    if (!by) return;
    note(folder.log, clock.now(), `ended: ${by.message}`);
    throw by;
  }

  async #copy(): Promise<void> {
    const { followed, folder, cluster, clock, log } = this.#parts;
    const signal = AbortSignal.any([this.#closing.signal, this.#over.signal]);
    for (let copied: string | undefined; ;) {
      const begun = (): boolean => {
        const { pod } = followed.view();
        return pod !== null && pod.metadata.uid !== copied && programOf(pod) !== undefined;
      };
      const isDone = (): boolean => this.#isSettled() && (copied !== undefined || followed.view().pod === null);
      while (!begun() && !isDone() && !signal.aborted) await followed.change(lookMs, signal);
      const { pod } = followed.view();
      const container = pod && programOf(pod);
      if (!begun() || !pod || !container) return;
      if (copied !== undefined) note(folder.log, clock.now(), "tried again by the cluster");
      copied = pod.metadata.uid ?? "";
      const isPast = (): boolean => followed.view().pod?.metadata.uid !== copied;
      const hasContainerEnded = (): boolean => isPast() || endingOf(followed.view(), false) !== null;
      const copy = { cluster, pod, container: container.name, path: folder.log, clock, log, signal };
      await copyLog({ ...copy, hasEnded: hasContainerEnded }).catch((error: unknown) => {
        log.warn({ run: this.#parts.start.run, error: messageOf(error) }, "a run's log cannot be kept");
      });
    }
  }

  /** No other pod comes after the one there is. */
  #isSettled(): boolean {
    const { followed, isFired } = this.#parts;
    const { job, isJobGone } = followed.view();
    return !isFired || isJobGone || (job !== null && hasJobEnded(job));
  }

  async #awaitEnding(): Promise<Ending> {
    const { followed, clock, stopSeconds } = this.#parts;
    const { signal } = this.#closing;
    let endingSinceMs: number | null = null;
    for (;;) {
      signal.throwIfAborted();
      const view = followed.view();
      const nowMs = clock.now().getTime();
      if (view.pod?.metadata.deletionTimestamp !== undefined) endingSinceMs ??= nowMs;
      const isOverdue = endingSinceMs !== null && nowMs - endingSinceMs > stopSeconds * 1_000 + silenceMs;
      const ending = this.#isSettled() ? endingOf(view, isOverdue) : null;
      if (ending && this.#parts.isFired && view.isJobGone && ending.status !== 0) return { ...ending, cause: removed };
      if (ending) return ending;
      await followed.change(lookMs, signal);
    }
  }

  /** All of it, unless the kubelet has fallen silent. */
  async #awaitLog(copying: Promise<void>): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#closing.signal, over.signal]);
    await Promise.race([copying, this.#parts.clock.sleep(logMs, signal).catch(() => undefined)]);
    over.abort();
  }

  /** Answers why nothing was handed over; null where it was, or nobody was to. */
  async #awaitLeft(): Promise<string | null> {
    const { start, handOvers, followed, isKept, clock } = this.#parts;
    if (!isKept) return null;
    let waitedSinceMs = clock.now().getTime();
    while (!handOvers.has(start)) {
      this.#closing.signal.throwIfAborted();
      const nowMs = clock.now().getTime();
      if (handOvers.isComing(start)) waitedSinceMs = nowMs;
      else if (isOver(followed.view())) return notLeft(followed.view().pod);
      else if (nowMs - waitedSinceMs > handOverMs) return unreached;
      await this.#arrivalOrChange();
    }
    return null;
  }

  /** What arrives may be another run's. */
  async #arrivalOrChange(): Promise<void> {
    const { handOvers, followed } = this.#parts;
    const arrival = Promise.withResolvers<void>();
    const stop = handOvers.onReceived(() => arrival.resolve());
    try {
      await Promise.race([followed.change(1_000, this.#closing.signal), arrival.promise]);
    } finally {
      stop();
    }
  }

  async #describe(ending: Ending, lost: string | null): Promise<RunEnd> {
    const { folder, startedAt, logStart, values, handOvers, start, clock } = this.#parts;
    const left = await handOvers.take(start);
    const endedAt = ending.endedAt ?? clock.now();
    const { job } = this.#parts.followed.view();
    const isTimedOut = this.#parts.isFired && job !== null && isOverdueJob(job);
    const [last] = lastLines(folder.log, { from: logStart, count: 1 });
    const isScript = ending.cause === null && isOfStartScript(last);
    const { crash, reason } = describeEnd({
      exit: { stage: isScript ? "start script" : "command", status: ending.status, signal: ending.signal },
      durationMs: Math.max(0, endedAt.getTime() - startedAt.getTime()),
      wasMemory: false,
      cause: ending.cause,
      log: folder.log,
      logStart,
    });
    const { value, fault } = readResult(folder.result);
    const faults = [fault, left?.fault ?? null, left ? null : lost].filter((one) => one !== null);
    return {
      exitStatus: ending.status,
      signal: ending.signal,
      crash,
      reason: redact(reason, values),
      ...(isTimedOut && { isTimedOut }),
      endedAt,
      peakMemoryBytes: left?.peakMemoryBytes ?? null,
      result: value,
      resultFault: faults.length === 0 ? null : faults.join("; "),
      files: listFiles(folder.output),
    };
  }
}

const removed = "its Job was removed from the cluster by somebody";
const unreached = "its result and files did not arrive: its pod does not reach the server at the target's sourceUrl";

function notLeft(pod: ReturnType<Followed["view"]>["pod"]): string {
  const keeper = (pod?.status?.initContainerStatuses ?? []).find(({ name }) => name === "keeper");
  const said = keeper?.state?.terminated?.message?.trim().split("\n").at(-1);
  return `its result and files did not arrive: ${said?.replace(/^waybill: /, "") ?? "its pod was gone before"}`;
}

interface Kept {
  readonly startedAt: Date;
  readonly end: RunEnd;
}

/** What is known of an end outlives the Job. */
function keep(path: string, kept: Kept): void {
  const draft = `${path}.draft`;
  writeFileSync(draft, JSON.stringify(kept), { mode: 0o600, flush: true });
  renameSync(draft, path);
}

/** A start that has ended and was followed to its end; null for any other. */
export function keptRun(path: string): StartedRun | null {
  if (!existsSync(path)) return null;
  const { startedAt, end } = JSON.parse(readFileSync(path, "utf8")) as {
    readonly startedAt: string;
    readonly end: Omit<RunEnd, "endedAt"> & { readonly endedAt: string };
  };
  return {
    startedAt: new Date(startedAt),
    ended: () => Promise.resolve({ ...end, endedAt: new Date(end.endedAt) }),
    stop: () => Promise.resolve(),
  };
}
