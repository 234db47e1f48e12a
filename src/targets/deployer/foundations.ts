import { stackKey, type StackName } from "../../core/stack.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import type { Engine, OperationOptions } from "../../engine/engine.ts";
import type { StateStore } from "../../engine/state.ts";
import type { Foundation } from "../target.ts";

interface Dependencies {
  readonly engine: Pick<Engine, "up" | "destroy">;
  readonly states: Pick<StateStore, "list" | "load">;
}

/** What deployments stand on is there while one of them is. */
export interface Foundations {
  /** Makes it, if this process has not done so already, and keeps it for the time of the call. */
  under<Result>(foundation: Foundation | null, options: OperationOptions, act: () => Promise<Result>): Promise<Result>;
  /** After a deployment left: removes what nothing stands on any more. */
  clear(stack: StackName, options: OperationOptions): Promise<void>;
  /** It is not as it was made: the next call makes it again. */
  forget(foundation: StackName): void;
}

/** Foundations are stacks with a name that no deployment can have. */
const mark = "_";
/** The stack of what an environment's deployments stand on at a target. */
export const foundationStack = (
  { repository, environment }: Omit<StackName, "deployment">,
  target: string,
): StackName => ({
  repository,
  environment,
  deployment: `${mark}${target}`,
});

/** The target of a foundation's stack; null for a deployment's. */
export const foundationTarget = ({ deployment }: StackName): string | null =>
  deployment.startsWith(mark) ? deployment.slice(mark.length) : null;

export function makeFoundations({ engine, states }: Dependencies): Foundations {
  const made = new Map<string, string>();
  const users = new Map<string, number>();
  const inTurn = makeTurns();

  const count = (key: string, change: number): void => void users.set(key, (users.get(key) ?? 0) + change);

  async function ensure({ stack, program, digest }: Foundation, options: OperationOptions): Promise<void> {
    const key = stackKey(stack);
    if (made.get(key) === digest) return;
    await engine.up(stack, program, options);
    made.set(key, digest);
  }

  return {
    async under(foundation, options, act) {
      if (foundation === null) return act();
      const key = stackKey(foundation.stack);
      count(key, 1);
      try {
        await inTurn(key, () => ensure(foundation, options));
        return await act();
      } catch (error) {
        // Somebody may have removed it by hand: it is looked at again.
        made.delete(key);
        throw error;
      } finally {
        count(key, -1);
      }
    },
    forget: (foundation) => void made.delete(stackKey(foundation)),
    async clear(left, options) {
      const stacks = await states.list();
      const environment = stacks.filter(
        ({ repository, environment: name }) => repository === left.repository && name === left.environment,
      );
      for (const stack of environment.filter(({ deployment }) => deployment.startsWith(mark))) {
        const key = stackKey(stack);
        await inTurn(key, async () => {
          if ((users.get(key) ?? 0) > 0 || (await isUsed(states, stack, environment))) return;
          made.delete(key);
          await engine.destroy(stack, options);
        });
      }
    },
  };
}

/** Whether another stack of the environment has a resource in the foundation's target: their provider carries its name. */
async function isUsed(
  states: Pick<StateStore, "load">,
  foundation: StackName,
  environment: readonly StackName[],
): Promise<boolean> {
  const target = foundation.deployment.slice(mark.length);
  for (const stack of environment) {
    if (stack.deployment.startsWith(mark)) continue;
    const resources = (await states.load(stack))?.state.deployment.resources ?? [];
    // A job has no objects of its own until it runs: that its provider is there stands for them.
    const own = `pulumi:providers:kubernetes::${target}`;
    if (resources.some(({ provider = "", urn }) => provider.includes(`::${target}::`) || urn.endsWith(own)))
      return true;
  }
  return false;
}
