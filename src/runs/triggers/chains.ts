import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import { candidateOf, type Candidate } from "../dispatch/admission.ts";
import type { Run } from "../run.ts";
import { isEnded, type RunState } from "../state.ts";
import type { Job, NewRun, RunChange, RunStore } from "../store.ts";
import { followed, type Following } from "./chain.ts";
import { makeSweep } from "./sweep.ts";

interface ChainsParts {
  readonly store: Pick<RunStore, "chainsDue" | "settleChains">;
  readonly accept: (candidates: readonly Candidate[]) => Promise<readonly Run[]>;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Log;
}

const maxAtOnce = 200;

/**
 * Starts the runs that follow others. The end of a run and that somebody is to look at it are written together; what it
 * starts is a run of its own kind (one for each entry and run): looked at twice, it starts nothing more.
 */
export function makeChains({ store, accept, newId, clock, log }: ChainsParts) {
  const followers = makeFollowers();

  async function pass(): Promise<void> {
    for (;;) {
      const ended = await store.chainsDue(maxAtOnce);
      const found = ended.map((run) => ({ run, ...followed(run, followers.of(run.stack)) }));
      const candidates = found.flatMap(({ run, starts }) => starts.map((start) => followerOf(run, start)));
      if (candidates.length > 0) await accept(candidates);
      await store.settleChains(found);
      if (ended.length < maxAtOnce) return;
    }
  }

  const followerOf = (run: Run, { job, entry, dueAt }: Following): Candidate =>
    candidateOf(job, {
      id: newId(),
      origin: { by: "after", entry: entry.name, run: run.id },
      parameters: entry.parameters,
      dueAt,
      acceptedAt: clock.now(),
    });

  const sweep = makeSweep({ pass, failure: "what follows runs could not be started; it is tried again", clock, log });
  return {
    /** Takes a job as it is now; null: it is gone. */
    take: followers.take,
    note({ status }: Run): void {
      if (isEnded(status.state) && followers.isAny()) sweep.wake();
    },
    /** Looks at what ended until the signal aborts, first at what ended before. */
    run: sweep.run,
    /** Whether the end of a run is to be looked at. */
    isDue: (state: RunState): boolean => isEnded(state) && followers.isAny(),
  };
}

export type Chains = ReturnType<typeof makeChains>;

/** The jobs that follow others, by whom they follow. */
function makeFollowers() {
  const jobs = new Map<string, Job>();
  const byLeader = new Map<string, Set<string>>();

  const leadersOf = ({ stack, workload }: Job): readonly string[] =>
    (workload.spec.after ?? []).map(({ job }) => stackKey({ ...stack, deployment: job }));

  return {
    isAny: (): boolean => byLeader.size > 0,
    of(leader: StackName): readonly Job[] {
      const keys = byLeader.get(stackKey(leader)) ?? [];
      return [...keys].flatMap((key) => jobs.get(key) ?? []);
    },
    take: (stack: StackName, job: Job | null): void => {
      const key = stackKey(stack);
      const before = jobs.get(key);
      for (const leader of before ? leadersOf(before) : []) {
        const all = byLeader.get(leader);
        all?.delete(key);
        if (all?.size === 0) byLeader.delete(leader);
      }
      jobs.delete(key);
      if (!job || leadersOf(job).length === 0) return;
      jobs.set(key, job);
      for (const leader of leadersOf(job)) byLeader.set(leader, (byLeader.get(leader) ?? new Set()).add(key));
    },
  };
}

type Writes = Pick<RunStore, "accept" | "step">;

/** The same store, which writes with each end of a run that somebody may follow it. */
export function withChains<Store extends Writes>(store: Store, isDue: Chains["isDue"]): Store {
  const ofNew = (run: NewRun): NewRun => ({ ...run, isChainDue: isDue((run.history.at(-1) ?? run.history[0]).state) });
  const ofChange = (change: RunChange): RunChange =>
    isDue(change.status.state) ? { ...change, isChainDue: true } : change;
  return {
    ...store,
    accept: (runs, marks) => store.accept(runs.map(ofNew), marks),
    step: (id, from, change) => store.step(id, from, ofChange(change)),
  };
}
