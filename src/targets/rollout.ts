import { messageOf, WaybillError } from "../core/errors.ts";
import type { StackName } from "../core/stack.ts";
import type { Deployer, DeployOptions } from "../release/deployer.ts";
import type { Workload } from "./workload.ts";

/** Room for new revisions, on a target where it is scarce. */
export interface Rollouts {
  /**
   * Called before a workload is applied; resolves once there is room, for which its old revision may have been stopped.
   * Throws ROLLOUT_WAITING (in line; again when `changed` resolves) or ROLLOUT_IMPOSSIBLE.
   */
  begin(workload: Workload, options: DeployOptions): Promise<Turn>;
  /** Whether the stack's old revision was stopped to make room and has not come back. */
  hasHandedOver(stack: StackName): boolean;
  /** Takes the room away from what is new and starts the old revision, `previous`, again. Nobody gets in between. */
  giveBack(stack: StackName, previous: Workload | null, signal: AbortSignal): Promise<void>;
  /** What the plan should say, in the user's words. */
  notices(workload: Workload): readonly string[];
  /** Resolves when it is worth trying again for a stack that waits in line, or when the signal aborts. */
  changed(stack: StackName, signal: AbortSignal): Promise<void>;
  /** The stack waits for nothing any more. */
  leave(stack: StackName): void;
}

export interface Turn {
  end(outcome: Outcome): void;
}

/** How an apply went. */
export type Outcome =
  /** The new revision runs. */
  | { readonly kind: "runs" }
  /** `isOutage`: the old revision had made room for it, and runs again. */
  | { readonly kind: "failed"; readonly reason: string; readonly isOutage: boolean }
  /** Whoever comes next goes on from wherever it was. */
  | { readonly kind: "cancelled" };

interface Dependencies {
  readonly deployer: Deployer;
  /** By the target's name; on one that is not among them there is always room. */
  readonly rollouts: ReadonlyMap<string, Rollouts>;
  /** Makes what the workload stands on: a quota that was raised must be so before anybody waits for it. */
  readonly ground?: (workload: Workload, options: DeployOptions) => Promise<void>;
}

/** Deploys as `deployer` does, once there is room; and back again where the room was the old revision's. */
export function makeRolloutDeployer({ deployer, rollouts, ground }: Dependencies): Deployer {
  const all = [...rollouts.values()];
  return {
    notices(workload, action) {
      const own = deployer.notices(workload, action);
      // What changes in place needs no room.
      return action === "update" ? own : [...own, ...(rollouts.get(workload.target)?.notices(workload) ?? [])];
    },
    prepare(workload, ahead) {
      // Where room is scarce, nothing is begun before it is found.
      if (!rollouts.has(workload.target)) deployer.prepare?.(workload, ahead);
    },
    preview: (workload) => deployer.preview?.(workload) ?? null,
    async apply(workload, options) {
      const own = rollouts.get(workload.target);
      for (const other of all) if (other !== own) other.leave(workload.stack);
      if (!own) return deployer.apply(workload, options);
      let turn: Turn | null = null;
      try {
        await ground?.(workload, options);
        turn = await own.begin(workload, options);
        const applied = await deployer.apply(workload, options);
        turn.end({ kind: "runs" });
        return applied;
      } catch (error) {
        if (options.signal.aborted) {
          turn?.end({ kind: "cancelled" });
          throw error;
        }
        const isOutage = own.hasHandedOver(workload.stack);
        const failure = isOutage ? await returned({ deployer, rollouts: own, workload, options }, error) : error;
        turn?.end({ kind: "failed", reason: messageOf(error), isOutage });
        throw failure;
      }
    },
    async remove(stack, options) {
      for (const each of all) each.leave(stack);
      await deployer.remove(stack, options);
    },
    async changed(stack, signal) {
      const done = new AbortController();
      const either = AbortSignal.any([signal, done.signal]);
      await Promise.race(all.map((each) => each.changed(stack, either)));
      done.abort();
    },
  };
}

interface Return {
  readonly deployer: Deployer;
  readonly rollouts: Rollouts;
  readonly workload: Workload;
  readonly options: DeployOptions;
}

/** The new revision failed where the old one was: back to that. Answers the failure to report. */
async function returned({ deployer, rollouts, workload, options }: Return, failure: unknown): Promise<unknown> {
  const { signal, previous = null, onProgress } = options;
  onProgress({ message: "the new revision failed; the old one is started again" });
  try {
    await rollouts.giveBack(workload.stack, previous, signal);
    if (previous) await deployer.apply(previous, { signal, onProgress: () => undefined });
    return failure;
  } catch (error) {
    if (!(failure instanceof WaybillError)) return failure;
    const message = `${failure.message}\nThe old revision could not be started again: ${messageOf(error)}`;
    return new WaybillError(failure.code, message, { cause: failure });
  }
}
