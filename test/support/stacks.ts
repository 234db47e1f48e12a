import assert from "node:assert/strict";
import { CustomResource, type CustomResourceOptions, type Input, type Inputs, type Output } from "@pulumi/pulumi";
import { systemClock } from "../../src/core/clock.ts";
import { makeEngine, type Engine } from "../../src/engine/engine.ts";
import type { Provider } from "../../src/engine/provider.ts";
import type { StackState, StateStore } from "../../src/engine/state.ts";
import { makeCipher } from "../../src/core/cipher.ts";
import { silentLog } from "../../src/core/log.ts";
import type { StackName } from "../../src/core/stack.ts";
import { assertIntegrity } from "./state-integrity.ts";
import { makeRecordingProvider } from "./recording-provider.ts";

export const shop: StackName = { repository: "shop", environment: "production", deployment: "ranker" };
export const stackOf = (deployment: string): StackName => ({ ...shop, deployment });

export const testKey = Buffer.alloc(32, 7);

/** A state store in memory that counts, and checks what it is given. */
export function makeMemoryStore() {
  const kept = new Map<string, string>();
  const counts = { saves: 0 };
  const key = (stack: StackName): string => JSON.stringify(stack);
  const serialOf = (text: string | undefined): number =>
    text === undefined ? 0 : (JSON.parse(text) as StackState).serial;
  const store: StateStore = {
    load: async (stack) => {
      const text = kept.get(key(stack));
      return text === undefined ? null : (JSON.parse(text) as StackState);
    },
    save: async (stack, state) => {
      counts.saves++;
      assertIntegrity(state.state);
      assert.equal(state.serial, serialOf(kept.get(key(stack))) + 1);
      kept.set(key(stack), JSON.stringify(state));
    },
    remove: async (stack) => void kept.delete(key(stack)),
    list: async () => [...kept.keys()].map((text) => JSON.parse(text) as StackName),
  };
  return { store, counts, texts: kept };
}

/** An engine with a recording provider for the package `test`, on a store in memory. */
export function makeTestEngine({
  provider = makeRecordingProvider(),
  memory = makeMemoryStore(),
  store = memory.store,
  providers = {},
  key = testKey,
}: {
  readonly provider?: ReturnType<typeof makeRecordingProvider>;
  readonly memory?: ReturnType<typeof makeMemoryStore>;
  readonly store?: StateStore;
  readonly key?: Uint8Array;
  readonly providers?: Readonly<Record<string, Provider>>;
} = {}) {
  const engine: Engine = makeEngine({
    providers: { test: provider.provider, ...providers },
    state: store,
    secrets: makeCipher(key),
    clock: systemClock,
    log: silentLog,
  });
  return { ...provider, ...memory, engine, [Symbol.dispose]: () => engine.close() };
}

/** A resource of the package `test`, as a program would write it. */
export class Thing extends CustomResource {
  declare readonly address: Output<string>;
  declare readonly size: Output<number>;
  declare readonly password: Output<string>;

  constructor(name: string, inputs: Record<string, Input<unknown>> = {}, options: CustomResourceOptions = {}) {
    const unset: Inputs = { address: undefined, size: undefined, password: undefined };
    super("test:index:Thing", name, { ...unset, ...inputs }, options);
  }
}
