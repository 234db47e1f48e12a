import assert from "node:assert/strict";
import { test } from "node:test";
import { ComponentResource, type CustomResourceOptions, type Resource } from "@pulumi/pulumi";
import fc from "fast-check";
import type { Properties } from "../src/engine/provider.ts";
import type { StateStore } from "../src/engine/state.ts";
import { nameOf } from "../src/engine/value/urn.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeMemoryStore, makeTestEngine, shop, Thing } from "./support/stacks.ts";

/** One resource of a made-up program. Numbers name earlier resources, by place. */
interface Declared {
  readonly name: string;
  readonly fixed: number;
  readonly size: number;
  readonly uses: readonly number[];
  readonly dependsOn: readonly number[];
  readonly isChild: boolean;
  readonly isDeletedFirst: boolean;
  readonly isFixedToUsed: boolean;
  readonly fails: boolean;
}
interface Round {
  readonly program: readonly Declared[];
  /** The apply is stopped for good at this moment, if it gets that far. */
  readonly stopAt: number;
}

const declared: fc.Arbitrary<Declared> = fc.record({
  name: fc.constantFrom("a", "b", "c", "d", "e"),
  fixed: fc.nat(1),
  size: fc.nat(2),
  uses: fc.array(fc.nat(4), { maxLength: 2 }),
  dependsOn: fc.array(fc.nat(4), { maxLength: 1 }),
  isChild: fc.boolean(),
  isDeletedFirst: fc.boolean(),
  isFixedToUsed: fc.boolean(),
  fails: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
});
const program = fc.uniqueArray(declared, { maxLength: 5, selector: ({ name }) => name });
const round: fc.Arbitrary<Round> = fc.record({
  program,
  stopAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 30 })),
});

function programOf(resources: readonly Declared[], mayFail: boolean) {
  return async () => {
    const things: Thing[] = [];
    const group = new ComponentResource("test:index:Group", "group");
    for (const { name, fixed, size, uses, dependsOn, ...rest } of resources) {
      const used = uses.flatMap((place) => things[place] ?? []);
      const after: Resource[] = dependsOn.flatMap((place) => things[place] ?? []);
      const key = rest.isFixedToUsed ? "fixedTo" : "of";
      const inputs = {
        fixed,
        size,
        [key]: used.map(({ address }) => address),
        fails: mayFail && rest.fails ? "no" : undefined,
      };
      const options: CustomResourceOptions = {
        dependsOn: after,
        ...(rest.isChild && { parent: group, aliases: [{ parent: undefined as never }] }),
        ...(!rest.isChild && { aliases: [{ parent: group }] }),
        ...(rest.isDeletedFirst && { deleteBeforeReplace: true }),
      };
      things.push(new Thing(name, inputs, options));
    }
  };
}

/** State and world that outlive the engines; after `moment` passes what is called never comes back. */
function makeWorld() {
  const things = new Map<string, { readonly operationId: string; readonly inputs: Properties }>();
  const memory = makeMemoryStore();
  let made = 0;
  const engineFor = (stopAt: number) => {
    let moment = 0;
    const stopped = Promise.withResolvers<void>();
    const pass = async (): Promise<void> => {
      if (++moment !== stopAt) return;
      stopped.resolve();
      moment = Number.NEGATIVE_INFINITY;
      await new Promise(() => undefined);
    };
    const around = async <Result>(act: () => Result): Promise<Result> => {
      await pass();
      // Once stopped, what was under way at the same time is stopped as well.
      if (moment < 0) await new Promise(() => undefined);
      const result = act();
      await pass();
      if (moment < 0) await new Promise(() => undefined);
      return result;
    };
    const outputs = (id: string, inputs: Properties) => ({ ...inputs, address: `http://${id}` });
    const store: StateStore = {
      ...memory.store,
      save: async (stack, state) => {
        await pass();
        if (moment < 0) await new Promise(() => undefined);
        await memory.store.save(stack, state);
        await pass();
      },
    };
    const provider = makeRecordingProvider({
      create: ({ name, inputs, operationId }) =>
        around(() => {
          if (inputs["fails"] === "no") throw new Error("no");
          const known = [...things].find(([, thing]) => thing.operationId === operationId);
          const id = known?.[0] ?? `${name}-${++made}`;
          things.set(id, { operationId, inputs });
          return { id, outputs: outputs(id, inputs) };
        }),
      update: ({ id, newInputs }) =>
        around(() => {
          if (newInputs["fails"] === "no") throw new Error("no");
          const thing = things.get(id);
          assert.ok(thing, `${id} is updated and not there`);
          things.set(id, { ...thing, inputs: newInputs });
          return { outputs: outputs(id, newInputs) };
        }),
      delete: ({ id }) => around(() => void things.delete(id)),
    });
    return { ...makeTestEngine({ provider, store }), stopped: stopped.promise };
  };
  return { things, engineFor };
}

test("whatever programs follow each other, fail or are stopped, the last one is what is there", async () => {
  const property = fc.asyncProperty(fc.array(round, { maxLength: 4 }), program, async (rounds, last) => {
    const { things, engineFor } = makeWorld();
    for (const { program: resources, stopAt } of rounds) {
      const { engine, stopped } = engineFor(stopAt);
      const applied = engine.up(shop, programOf(resources, true)).catch((error: Error & { code?: string }) => {
        assert.equal(error.code, "STEP_FAILED", error.message);
      });
      await Promise.race([applied, stopped]);
      engine.close();
    }
    const { engine } = engineFor(0);
    try {
      await engine.up(shop, programOf(last, false));
      const state = await engine.export(shop);
      const real = (state?.deployment.resources ?? []).filter(({ type }) => type === "test:index:Thing");
      assert.deepEqual(real.map(({ id = "" }) => id).toSorted(), [...things.keys()].toSorted());
      assert.deepEqual(real.map(({ urn }) => nameOf(urn)).toSorted(), last.map(({ name }) => name).toSorted());
      for (const { id = "", inputs } of real) assert.deepEqual(things.get(id)?.inputs, inputs);
      const again = await engine.up(shop, programOf(last, false));
      assert.equal(again.changes.same, last.length + 2, JSON.stringify(again.steps));
    } finally {
      engine.close();
    }
  });
  await fc.assert(property, { numRuns: Number(process.env["WAYBILL_RANDOM_RUNS"] ?? 40) });
});
