import { messageOf } from "../../core/errors.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { statusAt, type Revision, type Run, type RunStatus } from "../run.ts";
import type { Job, RunAndRevision, RunChange, RunStore } from "../store.ts";
import { lateMs } from "./admission.ts";
import type { Alarm } from "./alarm.ts";
import type { AttemptParts } from "./attempt.ts";
import { limitsOf } from "./limits.ts";
import type { SlotBook } from "./slot-book.ts";
import { verdictOn } from "./verdict.ts";

interface QueuesParts extends Pick<AttemptParts, "clock" | "log"> {
  readonly store: Pick<RunStore, "heads" | "stepAll" | "nextDueAt">;
  readonly jobOf: (stack: StackName) => Job | null;
  readonly book: SlotBook;
  readonly alarm: Pick<Alarm, "expect">;
  readonly closing: AbortSignal;
  readonly step: (run: Run, change: RunChange) => Promise<Run | null>;
  /** It holds its slots. */
  readonly launch: (run: Run, revision: Revision) => void;
  /** Not within the decision under way: what it frees is another one's. */
  readonly makeRoom: (runs: readonly string[], forRun: string) => void;
}

/** Due runs of a job that wait for something. */
interface Queue {
  readonly stack: StackName;
  readonly sinceMs: number;
}

/** How far into a queue a look goes: to the first who has to wait, or to all whose time has come. */
type Look = "first" | "all";

const headCount = 50;

/** Its time has come, and did so by what the clock said then. */
const isMet = (state: RunStatus["state"]): boolean => state === "AwaitingConcurrencySlot" || state === "Late";

/** Who waits for a slot, by jobs. Each call is made within a decision of the dispatcher. */
export class Queues {
  readonly #parts: QueuesParts;
  readonly #queues = new Map<string, Queue>();

  constructor(parts: QueuesParts) {
    this.#parts = parts;
  }

  has(stack: StackName): boolean {
    // Asked for thousands at a time, mostly while nobody waits.
    return this.#queues.size > 0 && this.#queues.has(stackKey(stack));
  }

  /** A run of this job waits since then; who waits longer is known already. */
  join(stack: StackName, since: Date): void {
    if (!this.has(stack)) this.#wait(stack, since);
  }

  /** Slots were freed: those who wait longest for one of them come first. */
  async serve(freed: readonly string[]): Promise<void> {
    const { jobOf, book } = this.#parts;
    const limits = ({ stack }: Queue) => {
      const job = jobOf(stack);
      return job ? limitsOf(job.workload) : [];
    };
    const waiting = [...this.#queues.values()]
      .filter((queue) => limits(queue).some(({ key }) => freed.includes(key)))
      .sort((a, b) => a.sinceMs - b.sinceMs);
    for (const queue of waiting) {
      if (book.full(limits(queue)) === null) await this.pass(queue.stack, "first");
    }
  }

  /** Starts what may start of a job, in order, until one has to wait. It is tried again later where it fails. */
  async pass(stack: StackName, at: Look): Promise<void> {
    try {
      await this.#pass(stack, at);
    } catch (error) {
      const { clock, log, alarm } = this.#parts;
      const name = stackKey(stack);
      log.warn({ job: name, error: messageOf(error) }, "a job's runs cannot be looked at; they are again");
      alarm.expect(name, new Date(clock.now().getTime() + lateMs));
    }
  }

  async #pass(stack: StackName, at: Look): Promise<void> {
    const { store, closing, clock, alarm } = this.#parts;
    // A freed slot is for one: of a long queue no more is read than who starts by it, and that the next has to wait.
    for (let count = at === "first" ? 2 : headCount; ; count = headCount) {
      if (closing.aborted) return;
      const heads = await store.heads(stack, count);
      for (const [index, head] of heads.entries()) {
        const { run } = head;
        // Whose time has come once waits on, whatever a clock says that was set back since.
        if (run.dueAt > clock.now() && !isMet(run.status.state)) {
          this.#leave(stack);
          return alarm.expect(stackKey(stack), run.dueAt);
        }
        if (await this.#settleHead(head)) continue;
        this.#wait(stack, run.dueAt);
        const isSeen = heads.slice(index + 1).every((each) => each.run.status.state === "AwaitingConcurrencySlot");
        return isSeen && at === "first" ? undefined : this.#markWaiting(stack);
      }
      if (heads.length < count) break;
    }
    this.#leave(stack);
  }

  #wait(stack: StackName, since: Date): void {
    this.#queues.set(stackKey(stack), { stack, sinceMs: since.getTime() });
  }

  #leave(stack: StackName): void {
    this.#queues.delete(stackKey(stack));
  }

  /** False when it has to wait. */
  async #settleHead({ run, revision }: RunAndRevision): Promise<boolean> {
    const { jobOf, book, step, makeRoom } = this.#parts;
    const job = jobOf(run.stack);
    if (!job) {
      await this.#end(run, "its job was removed before it started");
      return true;
    }
    const verdict = verdictOn(job, book, true);
    switch (verdict.kind) {
      case "start":
        await this.#start({ run, revision }, job);
        return true;
      case "drop":
        await this.#end(run, verdict.reason);
        return true;
      case "wait":
        if (run.status.state !== "AwaitingConcurrencySlot") {
          await step(run, { status: this.#status("AwaitingConcurrencySlot", "", verdict.for) });
        }
        makeRoom(verdict.replaces, run.id);
        return false;
      default:
        return verdict satisfies never;
    }
  }

  async #start({ run, revision }: RunAndRevision, job: Job): Promise<void> {
    const { book, step, launch } = this.#parts;
    const pending = await step(run, { status: this.#status("Pending"), attempt: run.attempt + 1 });
    if (!pending) return;
    book.take(run.id, limitsOf(job.workload));
    launch(pending, revision);
  }

  async #end(run: Run, reason: string): Promise<void> {
    const status = this.#status("Cancelled", reason);
    await this.#parts.step(run, { status, endedAt: status.since });
  }

  /** Those behind a run that waits do so too, though nobody looks at each of them. */
  async #markWaiting(stack: StackName): Promise<void> {
    const { store, alarm } = this.#parts;
    const status = this.#status("AwaitingConcurrencySlot", "", "the runs of its job that came before it");
    await store.stepAll(stack, ["Scheduled", "Late", "Retrying"], { dueBefore: status.since, status });
    const next = await store.nextDueAt(stack);
    if (next) alarm.expect(stackKey(stack), next);
  }

  #status(state: RunStatus["state"], reason = "", waitingFor: string | null = null): RunStatus {
    return statusAt(this.#parts.clock.now(), state, { reason, waitingFor });
  }
}
