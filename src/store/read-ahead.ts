import { stackKey, type StackName } from "../core/stack.ts";
import type { StackState, StateStore } from "../engine/state.ts";

/** States, of which one may be asked for before it is needed. */
export interface ReadAhead extends StateStore {
  /** It will be loaded soon. */
  expect(stack: StackName): void;
}

interface Expected {
  readonly state: Promise<StackState | null>;
  readonly at: number;
}

// What comes of a push loads the state within milliseconds.
const maxAgeMs = 2_000;

/** Each state that was asked for ahead is answered once, and not after a change. Only what this process changes is seen. */
export function makeReadAhead(store: StateStore): ReadAhead {
  const expected = new Map<string, Expected>();
  const forget = (stack: StackName): boolean => expected.delete(stackKey(stack));
  return {
    list: () => store.list(),
    expect(stack) {
      const state = store.load(stack);
      // Whoever loads it sees the failure.
      state.catch(() => undefined);
      expected.set(stackKey(stack), { state, at: performance.now() });
    },
    load(stack) {
      const ahead = expected.get(stackKey(stack));
      forget(stack);
      return ahead && performance.now() - ahead.at < maxAgeMs ? ahead.state : store.load(stack);
    },
    async save(stack, state) {
      forget(stack);
      await store.save(stack, state);
      forget(stack);
    },
    async remove(stack) {
      forget(stack);
      await store.remove(stack);
      forget(stack);
    },
  };
}
