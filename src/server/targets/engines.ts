import type { StackName } from "../../core/stack.ts";
import type { CliEngine } from "../../engine/cli/engine.ts";
import type { Engine } from "../../engine/engine.ts";
import type { StateStore } from "../../engine/state.ts";

interface EnginesParts {
  readonly inProcess: Engine;
  /** The states of the engine in process. */
  readonly states: StateStore;
  /** By the name of the target that is set to it. */
  readonly byCli: ReadonlyMap<string, CliEngine>;
  /** On which target a stack is meant to be; null when nothing is known of it. */
  readonly targetOf: (stack: StackName) => Promise<string | null>;
}

export interface Engines {
  /** All engines as one: each stack is run by the engine of its target, and its state goes along when that changes. */
  readonly engine: Engine;
  readonly states: Pick<StateStore, "list" | "load">;
}

/** Where a state may be. */
interface Keeper {
  readonly engine: Engine;
  holds(stack: StackName): Promise<boolean>;
  forget(stack: StackName): Promise<void>;
}

export function makeEngines({ inProcess, states, byCli, targetOf }: EnginesParts): Engines {
  const here: Keeper = {
    engine: inProcess,
    holds: async (stack) => (await states.load(stack)) !== null,
    forget: (stack) => states.remove(stack),
  };
  const keepers = new Map<string, Keeper>(
    [...byCli].map(([name, engine]) => [
      name,
      { engine, holds: async (stack) => engine.holds(stack), forget: (stack) => engine.forget(stack) },
    ]),
  );
  const all: readonly Keeper[] = [here, ...keepers.values()];
  const wanted = async (stack: StackName): Promise<Keeper> => keepers.get((await targetOf(stack)) ?? "") ?? here;
  const holding = async (stack: StackName): Promise<readonly Keeper[]> => {
    const found: Keeper[] = [];
    for (const keeper of all) if (await keeper.holds(stack)) found.push(keeper);
    return found;
  };
  const current = async (stack: StackName): Promise<Engine> => {
    const [first] = await holding(stack);
    return (first ?? (await wanted(stack))).engine;
  };
  const engine: Engine = {
    up: async (stack, program, options) => {
      const to = await wanted(stack);
      for (const from of await holding(stack)) if (from !== to) await move(stack, from, to);
      return to.engine.up(stack, program, options);
    },
    // The CLI takes seconds to be asked: the program runs here, as if it had made nothing yet.
    preview: async (stack, program, options) => {
      const isByCli = (await wanted(stack)) !== here;
      return (isByCli ? inProcess : await current(stack)).preview(stack, program, options);
    },
    destroy: async (stack, options) => (await current(stack)).destroy(stack, options),
    refresh: async (stack, options) => (await current(stack)).refresh(stack, options),
    export: async (stack, options) => (await current(stack)).export(stack, options),
    import: async (stack, deployment) => (await current(stack)).import(stack, deployment),
    close: () => {
      for (const keeper of all) keeper.engine.close();
    },
  };
  return {
    engine,
    states: {
      list: async () => [...(await states.list()), ...[...byCli.values()].flatMap((each) => each.held())],
      load: async (stack) => {
        const state = await engine.export(stack);
        return state && { serial: 0, state };
      },
    },
  };
}

/** Interrupted between its steps it is done again: what was taken over already is not taken over twice. */
async function move(stack: StackName, from: Keeper, to: Keeper): Promise<void> {
  const known = await to.engine.export(stack);
  const state = known === null ? await from.engine.export(stack, { showSecrets: true }) : null;
  if (state !== null) await to.engine.import(stack, state);
  await from.forget(stack);
}
