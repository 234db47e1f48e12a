import { WaybillError } from "../core/errors.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { StatusChange, Target, TargetSchedules } from "./target.ts";
import type { Workload } from "./workload.ts";

interface Dependencies {
  /** By their names in the server's settings. */
  readonly targets: Readonly<Record<string, Target>>;
  /** On which target a stack is meant to be; null when nothing is known of it. */
  readonly targetOf: (stack: StackName) => Promise<string | null>;
}

/** All targets of a server as one: each workload goes to the target that it names. */
export function makeTargets({ targets, targetOf }: Dependencies): Target {
  // Where each was applied last: while one moves, the target that it leaves has nothing to say about it.
  const applied = new Map<string, string>();
  // What is meant to be off has no news: what is heard of it is how it ends.
  const resting = new Set<string>();
  const ofWorkload = ({ target }: Workload): Target => {
    const found = Object.hasOwn(targets, target) ? targets[target] : undefined;
    if (found) return found;
    throw new WaybillError("TARGET_UNSUPPORTED", unknown(target, Object.keys(targets)));
  };
  const isElsewhere = (name: string, stack: StackName): boolean => {
    const key = stackKey(stack);
    return resting.has(key) || (applied.get(key) ?? name) !== name;
  };
  return {
    program(workload) {
      const program = ofWorkload(workload).program(workload);
      const key = stackKey(workload.stack);
      applied.set(key, workload.target);
      if (workload.spec.state === "running") resting.delete(key);
      else resting.add(key);
      return program;
    },
    foundation: (workload) => ofWorkload(workload).foundation?.(workload) ?? null,
    guard: (workload) => ofWorkload(workload).guard?.(workload) ?? null,
    opening: (workload) => ofWorkload(workload).opening?.(workload) ?? null,
    explain: async (workload, error, signal) => (await ofWorkload(workload).explain?.(workload, error, signal)) ?? null,
    withdraw: async (workload, previous, signal) => ofWorkload(workload).withdraw?.(workload, previous, signal),
    prepare(workload, ahead) {
      if (Object.hasOwn(targets, workload.target)) ofWorkload(workload).prepare?.(workload, ahead);
    },
    preview: (workload) =>
      Object.hasOwn(targets, workload.target) ? (ofWorkload(workload).preview?.(workload) ?? null) : null,
    notices: (workload) =>
      Object.hasOwn(targets, workload.target)
        ? ofWorkload(workload).notices(workload)
        : [unknown(workload.target, Object.keys(targets))],
    executor: (job) => (Object.hasOwn(targets, job.target) ? targets[job.target] : undefined)?.executor?.(job) ?? null,
    schedules: schedulesOf(targets),
    status(stack) {
      for (const [name, target] of Object.entries(targets)) {
        const status = isElsewhere(name, stack) ? null : target.status(stack);
        if (status) return status;
      }
      return null;
    },
    onStatus(listener) {
      const stops = Object.entries(targets).map(([name, target]) =>
        target.onStatus((change: StatusChange) => {
          if (!isElsewhere(name, change.stack)) listener(change);
        }),
      );
      return () => {
        for (const stop of stops) stop();
      };
    },
    async *logs(stack, request) {
      const name = applied.get(stackKey(stack)) ?? (await targetOf(stack)) ?? "";
      yield* (Object.hasOwn(targets, name) ? targets[name] : undefined)?.logs(stack, request) ?? [];
    },
  };
}

/** Those of all targets: which one a job's are, its workload says. */
function schedulesOf(targets: Readonly<Record<string, Target>>): TargetSchedules {
  const all = Object.values(targets).flatMap(({ schedules }) => (schedules ? [schedules] : []));
  const ofWorkload = ({ target }: Workload) =>
    Object.hasOwn(targets, target) ? targets[target]?.schedules : undefined;
  return {
    namesOf: (workload) => ofWorkload(workload)?.namesOf(workload) ?? new Set(),
    fired: async (stack, signal) => (await Promise.all(all.map((each) => each.fired(stack, signal)))).flat(),
    onFired(listener) {
      const stops = all.map((each) => each.onFired(listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
    set: async (workload, ...said) => ofWorkload(workload)?.set(workload, ...said),
  };
}

const unknown = (target: string, known: readonly string[]): string =>
  `target "${target}" is not in the server's settings, which have ${known.join(", ")}: name another, or add it`;
