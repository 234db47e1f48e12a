import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { makeTogether } from "../../core/waiting/together.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import { isFiredByTarget } from "../../targets/run-executor.ts";
import { statusAt, type Revision, type Run, type RunStatus } from "../run.ts";
import { isEnded, isLive, isWaiting } from "../state.ts";
import type { Job, RunChange, RunStore, ScheduleMark } from "../store.ts";
import { admitted, beginningOf, lateMs, type Candidate } from "./admission.ts";
import { startAhead, type DueBatch, type Started } from "./ahead.ts";
import { makeAlarm } from "./alarm.ts";
import { beginAttempt, type Attempt, type AttemptParts } from "./attempt.ts";
import { limitsOf } from "./limits.ts";
import { delayedAnew } from "./outcome.ts";
import { Queues } from "./queues.ts";
import { fullText, makeSlotBook } from "./slot-book.ts";

export interface DispatcherParts extends Omit<AttemptParts, "store" | "onStep"> {
  readonly store: RunStore;
  /** A job as it is deployed; null when it is no more. */
  readonly jobOf: (stack: StackName) => Job | null;
  /** Every run that took a step. */
  readonly changes: Feed<Run>;
}

/** Starts runs when their time has come and there is room for them: nobody else takes or frees a slot. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #attemptParts: AttemptParts;
  readonly #book = makeSlotBook();
  readonly #alarm;
  readonly #queues;
  readonly #attempts = new Map<string, Attempt>();
  /** Ids of runs whose attempts are over and whose slots were not freed. */
  readonly #over: string[] = [];
  readonly #closing = new AbortController();
  readonly #inTurn = makeTurns();
  #ringing: Promise<void> = Promise.resolve();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#attemptParts = { ...parts, onStep: (next) => parts.changes.publish(next) };
    this.#alarm = makeAlarm(parts.clock);
    this.#queues = new Queues({
      ...parts,
      book: this.#book,
      alarm: this.#alarm,
      closing: this.#closing.signal,
      step: (run, change) => this.#step(run, change),
      launch: (run, revision) => this.#launch(run, { revision, adopting: false }),
      makeRoom: (runs, forRun) => this.#makeRoom(runs, forRun),
    });
  }

  /** Takes over what a server before it left, and goes on from there until it is closed. */
  async begin(): Promise<void> {
    const { store } = this.#parts;
    const queues = [...(await store.queues())].sort((a, b) => a.firstDueAt.getTime() - b.firstDueAt.getTime());
    // Known before the first slot is free: who waits longest comes first.
    for (const { stack, firstDueAt } of queues) this.#queues.join(stack, firstDueAt);
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
    const [only, ...others] = candidates;
    if (only && others.length === 0 && marks.length === 0) return this.#acceptOne(only);
    return this.#decide(() => this.#accept(candidates, marks));
  }

  /**
   * Starts those for which there is room of runs that were prepared, and accepts them afterwards. The others are released
   * by this without being started: they are to be accepted like any other. Rejects when nothing was started.
   */
  startAhead(batches: readonly DueBatch[]): Promise<Started> {
    const parts = {
      ...this.#parts,
      book: this.#book,
      queues: this.#queues,
      decide: <Result>(act: () => Promise<Result>) => this.#decide(act),
      launch: (run: Run, revision: Revision, ahead: AttemptParts) =>
        this.#launch(run, { revision, adopting: false }, ahead),
      closing: this.#closing.signal,
    };
    return this.#decide(() => startAhead(parts, batches));
  }

  /** Looks again at a job's queue: something of the job has changed, or a run of it waits anew. */
  look(stack: StackName): Promise<void> {
    return this.#decide(() => this.#queues.pass(stack, "all"));
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
    for (const { run, revision } of await store.live()) {
      this.#book.take(run.id, limitsOf((jobOf(run.stack) ?? revision).workload));
      this.#launch(run, { revision, adopting: true });
    }
  }

  readonly #acceptOne = makeTogether<Candidate, readonly Run[]>({
    inTurn: (act) => this.#decide(act),
    act: async (candidates) => {
      const accepted = Map.groupBy(await this.#accept(candidates, []), ({ id }) => id);
      return candidates.map(({ id }) => accepted.get(id) ?? []);
    },
  });

  async #accept(candidates: readonly Candidate[], marks: readonly ScheduleMark[]): Promise<readonly Run[]> {
    const { store, changes } = this.#parts;
    const now = this.#now();
    const runs = candidates.map((candidate) => {
      const run = admitted(candidate, { now, book: this.#book, isQueued: this.#queues.has(candidate.stack) });
      const state = beginningOf(run);
      if (state === "Pending") this.#book.take(run.id, limitsOf(candidate.job.workload));
      if (state === "AwaitingConcurrencySlot") this.#queues.join(run.stack, run.dueAt);
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
    this.#over.push(run.id);
    // In one decision: whoever looks for a slot meanwhile has not waited longest.
    await this.#decide(() => this.#queues.serve(this.#over.splice(0).flatMap((id) => this.#book.free(id))));
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
    return statusAt(this.#now(), state, { reason, waitingFor });
  }
}

function stackOf(key: string): StackName {
  const [repository = "", environment = "", deployment = ""] = key.split("/");
  return { repository, environment, deployment };
}
