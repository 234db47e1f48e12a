import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { lateMs, type Candidate } from "../dispatch/admission.ts";
import type { DueBatch } from "../dispatch/ahead.ts";
import type { RunOrder } from "../../targets/run-executor.ts";
import type { OrderOf } from "../order.ts";
import type { PreparedRun, RunStore } from "../store.ts";
import type { Batch, Entry } from "./entry.ts";
import type { Schedules } from "./schedules.ts";

interface PreparationParts {
  readonly store: Pick<RunStore, "prepare" | "dropPrepared">;
  readonly schedules: Schedules;
  readonly candidateOf: (entry: Entry, time: Date) => Candidate;
  readonly orderOf: OrderOf;
  readonly newId: () => string;
  /** From so many on that are due at one moment, they are prepared. */
  readonly many?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** From so long before their time on, runs of schedules are written down. */
export const leadMs = 10_000;
// What was begun sooner would keep the time itself waiting.
const leastLeadMs = 500;
// Fewer are accepted at their time in some ten milliseconds.
const usuallyMany = 100;
const batchSize = 1_000;

/**
 * Writes down runs of schedules shortly before their time, where many are due at one moment. What is written means
 * nothing yet: whatever touches an entry takes its run out here, in memory.
 */
export class Preparation {
  readonly #parts: PreparationParts;
  /** Written and not released. */
  readonly #open = new Set<Batch>();

  constructor(parts: PreparationParts) {
    this.#parts = parts;
  }

  /** Prepares those that are due soon. */
  async prepare(entries: readonly Entry[]): Promise<void> {
    const { many = usuallyMany } = this.#parts;
    const nowMs = this.#nowMs();
    const soon = entries.filter((entry) => entry.nextMs > nowMs && entry.nextMs <= nowMs + leadMs && isPlain(entry));
    for (const [dueMs, together] of Map.groupBy(soon, ({ nextMs }) => nextMs)) {
      const unprepared = together.length < many ? [] : together.filter(({ prepared }) => prepared === null);
      for (let first = 0; first < unprepared.length && dueMs - this.#nowMs() > leastLeadMs; first += batchSize) {
        await this.#write(unprepared.slice(first, first + batchSize), dueMs);
      }
    }
  }

  async #write(entries: readonly Entry[], dueMs: number): Promise<void> {
    const { store, schedules, candidateOf, newId, log } = this.#parts;
    const time = new Date(dueMs);
    const planned = entries.map((entry) => {
      const [following] = schedules.upcoming(entry.schedule, time, 1);
      const candidate = candidateOf(entry, time);
      return { entry, look: entry.look, candidate, followingMs: following?.getTime() ?? Number.POSITIVE_INFINITY };
    });
    const runs = planned.map(({ entry, candidate }): PreparedRun => {
      return { ...candidate, origin: { by: "schedule", schedule: entry.schedule.name, time }, digest: entry.digest };
    });
    const batch: Batch = { id: newId(), dueMs, runs: runs.map(({ id }) => id) };
    try {
      const refused = await store.prepare({ id: batch.id, runs });
      const orders = await Promise.all(planned.map(({ candidate }) => this.#orderAhead(candidate)));
      for (const [index, { entry, look, candidate, followingMs }] of planned.entries()) {
        // Its time may have come meanwhile, or the clock was set.
        const isUnchanged = entry.look === look && entry.nextMs === dueMs;
        if (isUnchanged && !refused.has(candidate.id)) {
          entry.prepared = { batch, candidate: { ...candidate, order: orders[index] ?? null }, followingMs };
        }
      }
    } catch (error) {
      log.warn(
        { error: messageOf(error) },
        "runs that are due soon cannot be written down; they start after their time",
      );
    } finally {
      // Whether it was written is not known of one that failed.
      this.#open.add(batch);
    }
  }

  /** Null where it is to be asked at its time: a secret may have another version by then, and what is wrong is said then. */
  async #orderAhead(candidate: Candidate): Promise<RunOrder | null> {
    const order = await this.#parts.orderOf({ ...candidate, attempt: 1 }, candidate.revision).catch(() => null);
    return order?.secrets.length === 0 ? order : null;
  }

  /** The batches of what is due and may start by them. Nothing of the others can start any more once this has resolved. */
  async due(entries: readonly Entry[], now: Date): Promise<readonly DueBatch[]> {
    const nowMs = now.getTime();
    const fit = entries.filter(
      ({ nextMs, prepared }) => prepared && nowMs < prepared.followingMs && nowMs - nextMs <= lateMs,
    );
    const found = Map.groupBy(fit, ({ prepared }) => prepared?.batch);
    const spent = [...this.#open].filter((batch) => batch.dueMs <= nowMs && !found.has(batch));
    if (spent.length > 0) {
      await this.#parts.store.dropPrepared(spent.map(({ id }) => id));
      for (const batch of spent) this.#open.delete(batch);
    }
    return [...found].flatMap(([batch, ofBatch]) =>
      batch ? [{ ...batch, candidates: ofBatch.flatMap(({ prepared }) => prepared?.candidate ?? []) }] : [],
    );
  }

  /** They were released. */
  close(batches: readonly DueBatch[]): void {
    const ids = new Set(batches.map(({ id }) => id));
    for (const batch of this.#open) if (ids.has(batch.id)) this.#open.delete(batch);
  }

  #nowMs(): number {
    return this.#parts.clock.now().getTime();
  }
}

/** A time that comes once, and is the moment of its run. */
const isPlain = ({ schedule, look }: Entry): boolean => schedule.jitterSeconds === 0 && !look.isBack;
