/** What a run should be, said as briefly as possible: no database, no promises, one line of time. */
export interface ModelRun {
  /** Its id, or `JOB@TIME` for a schedule's. */
  readonly key: string;
  readonly job: string;
  readonly order: number;
  state: "Scheduled" | "AwaitingConcurrencySlot" | "Running" | "Retrying" | ModelEnd;
  dueMs: number;
  startedMs: number;
  retries: number;
}

export type ModelEnd = "Completed" | "Failed" | "Crashed" | "TimedOut" | "Cancelled";

export interface ModelJob {
  readonly name: string;
  /** Null: none of its own. */
  limit: number | null;
  /** Of all that share it. */
  shared: number | null;
  readonly whenFull: "queue" | "skip" | "cancel-running";
  readonly retries: number;
  readonly retryDelayMs: number;
  readonly timeoutMs: number | null;
  readonly everyMs: number | null;
  isPaused: boolean;
}

export class RunModel {
  readonly runs: ModelRun[] = [];
  readonly jobs: readonly ModelJob[];
  nowMs: number;

  constructor(jobs: readonly ModelJob[], nowMs: number) {
    this.jobs = jobs;
    this.nowMs = nowMs;
  }

  states(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.runs.map(({ key, state }) => [key, state]));
  }

  withState(...states: readonly string[]): readonly ModelRun[] {
    return this.runs.filter(({ state }) => states.includes(state));
  }

  accept(key: string, job: ModelJob, dueMs: number): void {
    const run: ModelRun = {
      key,
      job: job.name,
      order: this.runs.length,
      state: "Scheduled",
      dueMs,
      startedMs: 0,
      retries: 0,
    };
    this.runs.push(run);
    this.settle();
  }

  end(run: ModelRun, how: Exclude<ModelEnd, "Cancelled">): void {
    const job = this.#jobOf(run);
    run.state = how;
    if (how !== "Completed" && run.retries < job.retries) {
      run.state = "Retrying";
      run.retries += 1;
      run.dueMs = this.nowMs + job.retryDelayMs;
    }
    this.settle();
  }

  cancel(run: ModelRun): void {
    run.state = "Cancelled";
    this.settle();
  }

  retry(run: ModelRun): void {
    run.state = "Scheduled";
    run.dueMs = this.nowMs;
    this.settle();
  }

  /** Moment by moment: what comes due, what takes too long. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const [next] = this.#moments()
        .filter(({ atMs }) => atMs <= untilMs)
        .toSorted((a, b) => a.atMs - b.atMs);
      if (!next) break;
      this.nowMs = next.atMs;
      next.act();
    }
    this.nowMs = untilMs;
  }

  /** First due, first accepted; of several jobs the one whose first run is due longest. */
  settle(): void {
    for (;;) {
      const heads = this.jobs
        .flatMap((job) => this.#line(job).slice(0, 1))
        .toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order);
      const free = heads.find((run) => this.#hasRoom(this.#jobOf(run)));
      if (free) {
        free.state = "Running";
        free.startedMs = this.nowMs;
        continue;
      }
      if (!heads.some((run) => this.#makeRoom(run))) break;
    }
    for (const job of this.jobs) for (const run of this.#line(job)) run.state = "AwaitingConcurrencySlot";
  }

  /** True where something has changed by it. */
  #makeRoom(head: ModelRun): boolean {
    const job = this.#jobOf(head);
    const holders = this.#live().filter(({ job: name }) => name === job.name);
    if (job.limit === null || holders.length < job.limit || job.whenFull === "queue") return false;
    const [oldest] = holders.toSorted((a, b) => a.startedMs - b.startedMs || a.order - b.order);
    const gone = job.whenFull === "skip" ? head : oldest;
    if (gone) gone.state = "Cancelled";
    return gone !== undefined;
  }

  #line(job: ModelJob): readonly ModelRun[] {
    return this.withState("Scheduled", "AwaitingConcurrencySlot", "Retrying")
      .filter((run) => run.job === job.name && run.dueMs <= this.nowMs)
      .toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order);
  }

  #live(): readonly ModelRun[] {
    return this.withState("Running");
  }

  #hasRoom(job: ModelJob): boolean {
    const live = this.#live();
    const own = live.filter((run) => run.job === job.name).length;
    const together = live.filter((run) => this.#jobOf(run).shared !== null).length;
    return (job.limit === null || own < job.limit) && (job.shared === null || together < job.shared);
  }

  #moments(): readonly { readonly atMs: number; readonly act: () => void }[] {
    const due = this.withState("Scheduled", "Retrying").map(({ dueMs }) => ({
      atMs: dueMs,
      act: () => this.settle(),
    }));
    const over = this.#live().flatMap((run) => {
      const { timeoutMs } = this.#jobOf(run);
      return timeoutMs === null ? [] : [{ atMs: run.startedMs + timeoutMs, act: () => this.end(run, "TimedOut") }];
    });
    const ticks = this.jobs.flatMap((job) => {
      if (job.everyMs === null || job.isPaused) return [];
      const atMs = (Math.floor(this.nowMs / job.everyMs) + 1) * job.everyMs;
      return [{ atMs, act: () => this.accept(`${job.name}@${new Date(atMs).toISOString()}`, job, atMs) }];
    });
    // First of what comes at one moment: once that is now, the next tick is a later one.
    return [...ticks, ...due, ...over];
  }

  #jobOf({ job }: Pick<ModelRun, "job">): ModelJob {
    const found = this.jobs.find(({ name }) => name === job);
    if (!found) throw new TypeError(`there is no job ${job}`);
    return found;
  }
}
