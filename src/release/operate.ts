import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { Release } from "./release.ts";
import { deploymentView } from "./show.ts";
import type { Watcher } from "./snapshots/watch.ts";
import type { Override, ReleaseStore } from "./store.ts";
import type { DeploymentView } from "./views.ts";

interface OperateParts {
  readonly store: ReleaseStore;
  readonly watcher: Pick<Watcher, "settle">;
  readonly clock: Clock;
}

/** An operator's word over a file's: it outlives deploys, and names who gave it. */
export function makeOperators({ store, watcher, clock }: OperateParts): Pick<Release, "pause" | "resume" | "restart"> {
  async function deploymentOf(stack: StackName): Promise<DeploymentView> {
    const row = await store.deployment(stack);
    if (!row) throw new WaybillError("NOT_FOUND", `there is no deployment ${stackKey(stack)}`);
    const pause = (await store.overrides(stack)).get(stack.deployment)?.pause ?? null;
    const [drifts, jobs] = await Promise.all([store.drifts(stack), store.deployJobs(stack)]);
    return deploymentView(row, pause, { drifts, jobs });
  }

  async function override(stack: StackName, change: (before: Override) => Override): Promise<DeploymentView> {
    await deploymentOf(stack);
    const before = (await store.overrides(stack)).get(stack.deployment) ?? { pause: null, restart: null };
    await store.saveOverride(stack, change(before));
    await watcher.settle(stack);
    return deploymentOf(stack);
  }

  return {
    pause: ({ reason, actor, ...stack }) =>
      override(stack, (before) => ({
        ...before,
        // Whoever paused it first, and why, is not forgotten for a word that says nothing.
        pause: before.pause && reason === "" ? before.pause : { by: actor.name, reason, at: clock.now().toISOString() },
      })),
    resume: ({ repository, environment, deployment }) =>
      override({ repository, environment, deployment }, (before) => ({ ...before, pause: null })),
    restart: ({ actor, ...stack }) =>
      override(stack, (before) => ({ ...before, restart: `${clock.now().toISOString()} by ${actor.name}` })),
  };
}
