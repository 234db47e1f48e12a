import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import { isFiredByTarget } from "../../targets/run-executor.ts";
import type { Revision, Run, RunStatus } from "../run.ts";
import { isEnded, isLive, isWaiting } from "../state.ts";
import type { Job, RunChange, RunStore, ScheduleMark } from "../store.ts";
import { admitted, beginningOf, lateMs, type Candidate } from "./admission.ts";
import { partsAhead, startedRun, type Accepted, type DueBatch } from "./ahead.ts";
import { makeAlarm } from "./alarm.ts";
import { beginAttempt, type Attempt, type AttemptParts } from "./attempt.ts";
import { limitsOf } from "./limits.ts";
import { delayedAnew } from "./outcome.ts";
import { fullText, makeSlotBook } from "./slot-book.ts";
import { verdictOn } from "./verdict.ts";

export interface DispatcherParts extends Omit<AttemptParts, "store" | "onStep"> {
  readonly store: RunStore;
  /** A job as it is deployed; null when it is no more. */
  readonly jobOf: (stack: StackName) => Job | null;
  /** Every run that took a step. */
  readonly changes: Feed<Run>;
}

/** Due runs of a job that wait for something. */
interface Queue {
  readonly stack: StackName;
  readonly sinceMs: number;
}

/** What was started of batches before it is accepted. */
export interface Started {
  /** Ids. */
  readonly started: ReadonlySet<string>;
  /** Rejects when the server stops before: the next one accepts them. */
  readonly accepted: Promise<unknown>;
}

const headCount = 50;
const retryMs = 1_000;

/** How far into a queue a look goes: to the first who has to wait, or to all whose time has come. */
type Look = "first" | "all";

/** Its time has come, and did so by what the clock said then. */
const isMet = (state: RunStatus["state"]): boolean => state === "AwaitingConcurrencySlot" || state === "Late";

/** Starts runs when their time has come and there is room for them: nobody else takes or frees a slot. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #attemptParts: AttemptParts;
  readonly #book = makeSlotBook();
  readonly #alarm;
  readonly #queues = new Map<string, Queue>();
  readonly #attempts = new Map<string, Attempt>();
  readonly #closing = new AbortController();
  readonly #inTurn = makeTurns();
  #ringing: Promise<void> = Promise.resolve();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#attemptParts = { ...parts, onStep: (next) => parts.changes.publish(next) };
    this.#alarm = makeAlarm(parts.clock);
  }

  /** Takes over what a server before it left, and goes on from there until it is closed. */
  async begin(): Promise<void> {
    const { store } = this.#parts;
    const queues = [...(await store.queues())].sort((a, b) => a.firstDueAt.getTime() - b.firstDueAt.getTime());
    // Known before the first slot is free: who waits longest comes first.
    for (const { stack, firstDueAt } of queues) {
      this.#queues.set(stackKey(stack), { stack, sinceMs: firstDueAt.getTime() });
    }
    await this.#decide(async () => {
      for (const batch of await store.released()) await store.acceptReleased(batch);
      await store.dropPrepared();
      await this.#adoptAll();
    });
    const dueBefore = new Date(this.#now().getTime() - lateMs);
    const late = this.#status("Late", "its time passed while the server was away");
    for (const { stack } of queues) {
      await store.stepAll(stack, ["Scheduled"], { dueBefore, status: late });
      await this.look(stack);
    }
    await this.#wentBack();
    const listener = {
      ring: async (names: readonly string[]) => {
        for (const name of names) await this.look(stackOf(name));
      },
      wentBack: () => this.#wentBack(),
    };
    this.#ringing = this.#alarm.run(listener, this.#closing.signal);
  }

  /**
   * Accepts runs; those whose time has come and for which there is room are started at once. Answers those that are new:
   * a schedule's time that was accepted before is left out.
   */
  accept(candidates: readonly Candidate[], marks: readonly ScheduleMark[] = []): Promise<readonly Run[]> {
    return this.#decide(() => this.#accept(candidates, marks));
  }

  /**
   * Starts those for which there is room of runs that were prepared, and accepts them afterwards. The others are released
   * by this without being started: they are to be accepted like any other. Rejects when nothing was started.
   */
  startAhead(batches: readonly DueBatch[]): Promise<Started> {
    return this.#decide(() => this.#startAhead(batches));
  }

  /** Looks again at a job's queue: something of the job has changed, or a run of it waits anew. */
  look(stack: StackName): Promise<void> {
    return this.#decide(() => this.#tryPass(stack, "all"));
  }

  async #tryPass(stack: StackName, at: Look): Promise<void> {
    try {
      await this.#pass(stack, at);
    } catch (error) {
      const name = stackKey(stack);
      this.#parts.log.warn({ job: name, error: messageOf(error) }, "a job's runs cannot be looked at; they are again");
      this.#alarm.expect(name, new Date(this.#now().getTime() + lateMs));
    }
  }

  /** Ends a run, or takes it out of its queue. Answers how it then is; its program may take its time to end. */
  async cancel(id: string, reason: string): Promise<Run> {
    for (;;) {
      const run = await this.#parts.store.run(id);
      if (!run) throw new WaybillError("NOT_FOUND", `there is no run ${id}`);
      const { state } = run.status;
      if (isEnded(state)) throw new WaybillError("CONFLICT", `run ${id} has ended already: it is ${state}`);
      if (state === "Cancelling") return run;
      const change = isLive(state)
        ? { status: this.#status("Cancelling", reason, "its program to end") }
        : { status: this.#status("Cancelled", reason), endedAt: this.#now() };
      const stepped = await this.#step(run, change);
      if (!stepped) continue;
      if (isLive(state)) this.#attempts.get(id)?.cancel(reason);
      else await this.look(run.stack);
      return stepped;
    }
  }

  /** What a waiting run waits for at this moment; null for one that does not wait. */
  waitingFor({ id, status, stack }: Run): string | null {
    if (status.state === "Pending") return this.#attempts.get(id)?.waitingFor() ?? status.waitingFor;
    if (status.state !== "AwaitingConcurrencySlot") return isWaiting(status.state) ? status.waitingFor : null;
    const job = this.#parts.jobOf(stack);
    const full = job && this.#book.full(limitsOf(job.workload));
    return full ? fullText(full) : status.waitingFor;
  }

  /** Programs run on, and are adopted by the next. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the server is stopping"));
    for (const attempt of this.#attempts.values()) attempt.letGo();
    await this.#ringing;
    await this.#decide(() => Promise.resolve());
    await Promise.all([...this.#attempts.values()].map(({ done }) => done.catch(() => null)));
  }

  /** One decision at a time: two could both take the last slot. */
  #decide<Result>(act: () => Promise<Result>): Promise<Result> {
    return this.#inTurn("", act);
  }

  async #adoptAll(): Promise<void> {
    const { store, jobOf } = this.#parts;
    for (const run of await store.live()) {
      const revision = await store.revision(run.id);
      if (!revision) continue;
      this.#book.take(run.id, limitsOf((jobOf(run.stack) ?? revision).workload));
      this.#launch(run, { revision, adopting: true });
    }
  }

  async #accept(candidates: readonly Candidate[], marks: readonly ScheduleMark[]): Promise<readonly Run[]> {
    const { store, changes } = this.#parts;
    const now = this.#now();
    const runs = candidates.map((candidate) => {
      const key = stackKey(candidate.stack);
      const run = admitted(candidate, { now, book: this.#book, isQueued: this.#queues.has(key) });
      const state = beginningOf(run);
      if (state === "Pending") this.#book.take(run.id, limitsOf(candidate.job.workload));
      if (state === "AwaitingConcurrencySlot" && !this.#queues.has(key)) {
        this.#queues.set(key, { stack: run.stack, sinceMs: run.dueAt.getTime() });
      }
      return run;
    });
    const accepted = await store.accept(runs, marks).catch((error: unknown) => {
      for (const { id } of runs) this.#book.free(id);
      throw error;
    });
    const news = new Map(accepted.map((run) => [run.id, run]));
    for (const candidate of candidates) {
      const run = news.get(candidate.id);
      if (!run) this.#book.free(candidate.id);
      else if (run.status.state === "Pending") {
        const adopting = isFiredByTarget({ run: run.id, attempt: run.attempt });
        this.#launch(run, { revision: candidate.revision, adopting });
      } else if (isWaiting(run.status.state)) this.#alarm.expect(stackKey(run.stack), run.dueAt);
    }
    for (const run of accepted) changes.publish(run);
    return accepted;
  }

  async #startAhead(batches: readonly DueBatch[]): Promise<Started> {
    const chosen = batches.map((batch) => ({
      ...batch,
      starts: batch.candidates.filter((one) => this.#takeSlots(one)),
    }));
    const started = new Set(chosen.flatMap(({ starts }) => starts.map(({ id }) => id)));
    const releases = chosen.map(({ id, runs }) => ({ batch: id, leftOut: runs.filter((run) => !started.has(run)) }));
    const history = [this.#status("Scheduled"), this.#status("Pending")] as const;
    await this.#parts.store.release(releases, history[0].since).catch((error: unknown) => {
      for (const id of started) this.#book.free(id);
      throw error;
    });
    const accepted = Promise.all(
      chosen.map(({ id, starts }) => {
        const whenAccepted = this.#acceptReleased(id);
        const parts = partsAhead(this.#parts, { accepted: whenAccepted, starts });
        const runs = starts.map((candidate) => startedRun(candidate, history));
        for (const [index, run] of runs.entries()) {
          const candidate = starts[index];
          if (candidate) this.#launch(run, { revision: candidate.revision, adopting: false }, parts);
        }
        return whenAccepted.then(() => runs.forEach(parts.onStep));
      }),
    );
    // Nobody may be waiting for it yet.
    accepted.catch(() => undefined);
    return { started, accepted };
  }

  #takeSlots({ id, job, stack }: Candidate): boolean {
    const limits = limitsOf(job.workload);
    // The verdict "start", for thousands at a time.
    const isQueued = this.#queues.size > 0 && this.#queues.has(stackKey(stack));
    const isFree = !isQueued && this.#book.full(limits) === null;
    if (isFree) this.#book.take(id, limits);
    return isFree;
  }

  /** They run: nothing but the end of this server keeps it from trying. */
  async #acceptReleased(batch: string): Accepted {
    const { store, clock, log } = this.#parts;
    for (;;) {
      try {
        return await this.#decide(() => store.acceptReleased(batch));
      } catch (error) {
        log.error({ error: messageOf(error) }, "runs that were started cannot be written down; it is tried again");
        await clock.sleep(retryMs, this.#closing.signal);
      }
    }
  }

  #launch(
    run: Run,
    { revision, adopting }: { readonly revision: Revision; readonly adopting: boolean },
    parts = this.#attemptParts,
  ): void {
    const attempt = beginAttempt(parts, { run, revision, adopting, closing: this.#closing.signal });
    this.#attempts.set(run.id, attempt);
    void attempt.done
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#parts.log.error({ run: run.id, err: error }, "a run was lost sight of");
        return null;
      })
      .then((after) => this.#afterAttempt(run, after));
  }

  async #afterAttempt(run: Run, after: Run | null): Promise<void> {
    this.#attempts.delete(run.id);
    if (this.#closing.signal.aborted) return;
    if (after?.status.state === "Retrying") this.#alarm.expect(stackKey(run.stack), after.dueAt);
    // In one decision: whoever looks for a slot meanwhile has not waited longest.
    await this.#decide(() => this.#goOn(this.#book.free(run.id)));
  }

  /** Slots were freed: those who wait longest for one of them come first. */
  async #goOn(freed: readonly string[]): Promise<void> {
    const limits = ({ stack }: Queue) => {
      const job = this.#parts.jobOf(stack);
      return job ? limitsOf(job.workload) : [];
    };
    const waiting = [...this.#queues.values()]
      .filter((queue) => limits(queue).some(({ key }) => freed.includes(key)))
      .sort((a, b) => a.sinceMs - b.sinceMs);
    for (const queue of waiting) {
      if (this.#book.full(limits(queue)) === null) await this.#tryPass(queue.stack, "first");
    }
  }

  /** Starts what may start of a job, in order, until one has to wait. */
  async #pass(stack: StackName, at: Look): Promise<void> {
    const key = stackKey(stack);
    for (;;) {
      if (this.#closing.signal.aborted) return;
      const heads = await this.#parts.store.heads(stack, headCount);
      for (const [index, run] of heads.entries()) {
        // Whose time has come once waits on, whatever a clock says that was set back since.
        if (run.dueAt > this.#now() && !isMet(run.status.state)) {
          this.#queues.delete(key);
          return this.#alarm.expect(key, run.dueAt);
        }
        if (await this.#settleHead(run)) continue;
        this.#queues.set(key, { stack, sinceMs: run.dueAt.getTime() });
        const isSeen = heads.slice(index + 1).every(({ status }) => status.state === "AwaitingConcurrencySlot");
        return isSeen && at === "first" ? undefined : this.#markWaiting(stack);
      }
      if (heads.length < headCount) break;
    }
    this.#queues.delete(key);
  }

  /** False when it has to wait. */
  async #settleHead(run: Run): Promise<boolean> {
    const { store, jobOf } = this.#parts;
    const job = jobOf(run.stack);
    if (!job) {
      const gone = this.#status("Cancelled", "its job was removed before it started");
      await this.#step(run, { status: gone, endedAt: this.#now() });
      return true;
    }
    const verdict = verdictOn(job, this.#book, true);
    switch (verdict.kind) {
      case "start": {
        const revision = await store.revision(run.id);
        const pending = await this.#step(run, { status: this.#status("Pending"), attempt: run.attempt + 1 });
        if (!pending || !revision) return true;
        this.#book.take(run.id, limitsOf(job.workload));
        this.#launch(pending, { revision, adopting: false });
        return true;
      }
      case "drop":
        await this.#step(run, { status: this.#status("Cancelled", verdict.reason), endedAt: this.#now() });
        return true;
      case "wait":
        if (run.status.state !== "AwaitingConcurrencySlot") {
          await this.#step(run, { status: this.#status("AwaitingConcurrencySlot", "", verdict.for) });
        }
        this.#makeRoom(verdict.replaces, run.id);
        return false;
      default:
        return verdict satisfies never;
    }
  }

  /** Those behind a run that waits do so too, though nobody looks at each of them. */
  async #markWaiting(stack: StackName): Promise<void> {
    const { store } = this.#parts;
    const status = this.#status("AwaitingConcurrencySlot", "", "the runs of its job that came before it");
    await store.stepAll(stack, ["Scheduled", "Late", "Retrying"], { dueBefore: this.#now(), status });
    const next = await store.nextDueAt(stack);
    if (next) this.#alarm.expect(stackKey(stack), next);
  }

  /** What was due or began later than it is now is brought to the clock as it was set: nobody waits the difference. */
  async #wentBack(): Promise<void> {
    const now = this.#now();
    await this.#decide(() => this.#parts.store.bringForward(now));
    for (const run of await this.#parts.store.retriesSince(now)) {
      const change = delayedAnew(run, now);
      const stepped = await this.#decide(() => this.#step(run, change));
      if (stepped) this.#alarm.expect(stackKey(run.stack), stepped.dueAt);
    }
  }

  #makeRoom(runs: readonly string[], forRun: string): void {
    for (const id of runs) {
      // Not awaited: this is a decision under way, and what it frees is the next one's.
      this.cancel(id, `cancelled to make room for run ${forRun}`).catch((error: unknown) =>
        this.#parts.log.warn({ run: id, error: messageOf(error) }, "a run was not cancelled"),
      );
    }
  }

  async #step(run: Run, change: RunChange): Promise<Run | null> {
    const stepped = await this.#parts.store.step(run.id, run.status.state, change);
    if (stepped) this.#parts.changes.publish(stepped);
    return stepped;
  }

  #now(): Date {
    return this.#parts.clock.now();
  }

  #status(state: RunStatus["state"], reason = "", waitingFor: string | null = null): RunStatus {
    return { state, since: this.#now(), reason, waitingFor };
  }
}

function stackOf(key: string): StackName {
  const [repository = "", environment = "", deployment = ""] = key.split("/");
  return { repository, environment, deployment };
}
