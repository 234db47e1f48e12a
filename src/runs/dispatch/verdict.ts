import type { Job } from "../store.ts";
import { limitsOf, ownKey } from "./limits.ts";
import { fullText, type Full, type SlotBook } from "./slot-book.ts";

/** What is to be done with a run whose time has come. */
export type Verdict =
  | { readonly kind: "start" }
  /** `replaces`: runs to be cancelled for it. */
  | { readonly kind: "wait"; readonly for: string; readonly replaces: readonly string[] }
  | { readonly kind: "drop"; readonly reason: string };

/** `isFirst`: no other run of its job is before it. */
export function verdictOn(job: Job, book: Pick<SlotBook, "full">, isFirst: boolean): Verdict {
  const full = book.full(limitsOf(job.workload));
  if (full === null) return isFirst ? { kind: "start" } : wait("the runs of its job that came before it");
  // What is asked to make room is the job's own runs: others have nothing to do with it.
  const isOwn = full.limit.key === ownKey(job.workload);
  const { whenFull } = job.workload.spec.concurrency;
  if (isOwn && whenFull === "skip")
    return { kind: "drop", reason: `skipped, for it would have had to wait for ${fullText(full)}` };
  return wait(fullText(full), isOwn && whenFull === "cancel-running" ? oldestOf(full) : []);
}

const wait = (what: string, replaces: readonly string[] = []): Verdict => ({ kind: "wait", for: what, replaces });

const oldestOf = ({ holders }: Full): readonly string[] => holders.slice(0, 1);
