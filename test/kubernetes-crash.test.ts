import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { secret } from "@pulumi/pulumi";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import type { Program } from "../src/engine/engine.ts";
import type { StateStore } from "../src/engine/state.ts";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { makeKubernetesProvider } from "../src/targets/kubernetes/provider/provider.ts";
import { clusterSkip, freshNamespace, openTestCluster, patience } from "./support/cluster.ts";
import { makeMemoryStore, makeTestEngine, shop } from "./support/stacks.ts";

// An apply on a cluster that stops for good between any two steps, as a killed server does: before and after each
// change of the cluster, and each note of it in the state. The next apply reaches the end that it would have reached.

type OnMoment = (moment: number) => Promise<void> | void;

/** From 1 to 2: one is changed, one with its secret, one replaced under its name, one new, one gone. */
const programOf =
  (prefix: string, version: 1 | 2): Program =>
  async () => {
    const named = (name: string) => ({ metadata: { name: `${prefix}-${name}` } });
    const level = String(version);
    const first = new ConfigMap("first", { ...named("first"), data: { level } });
    const next = new Secret("next", { ...named("next"), stringData: { level: secret(level) } }, { dependsOn: first });
    const sealed = { ...named("sealed"), immutable: true, data: { level } };
    const replaced = new ConfigMap("sealed", sealed, { dependsOn: next });
    const other = version === 1 ? "gone" : "fresh";
    void new ConfigMap(other, { ...named(other), data: { level } }, { dependsOn: replaced });
  };

describe("an apply that is killed between two steps", { skip: clusterSkip(), timeout: 600_000 }, () => {
  let place: Awaited<ReturnType<typeof freshNamespace>>;
  let cluster: Cluster;

  before(async () => {
    place = await freshNamespace("kf-crash");
    cluster = await openTestCluster();
  });
  after(async () => {
    cluster?.close();
    await place?.[Symbol.asyncDispose]();
  });

  /** Applies a program; answers how many moments that took. */
  async function apply(world: World, version: 1 | 2, onMoment: OnMoment = () => undefined): Promise<number> {
    let moments = 0;
    const around = async <Result>(effect: () => Promise<Result>): Promise<Result> => {
      await onMoment(++moments);
      const result = await effect();
      await onMoment(++moments);
      return result;
    };
    const { memory } = world;
    const store: StateStore = { ...memory.store, save: (...given) => around(() => memory.store.save(...given)) };
    const watched: Cluster = {
      ...cluster,
      apply: (object, options) =>
        options.dryRun === true ? cluster.apply(object, options) : around(() => cluster.apply(object, options)),
      delete: (...given) => around(() => cluster.delete(...given)),
    };
    const provider = makeKubernetesProvider({ connect: async () => watched, clock: systemClock, log: silentLog });
    using harness = makeTestEngine({ providers: { kubernetes: provider }, memory, store });
    world.closers.push(() => provider.close());
    const config = { "kubernetes:namespace": place.name };
    await harness.engine.up(shop, programOf(world.prefix, version), { config, parallel: 1 });
    return moments;
  }

  /** Nothing of it is ever heard again after that moment. */
  async function applyAndFreeze(world: World, version: 1 | 2, freezeAt: number): Promise<void> {
    const frozen = Promise.withResolvers<void>();
    const applied = apply(world, version, async (moment) => {
      if (moment < freezeAt) return;
      frozen.resolve();
      await new Promise(() => undefined);
    });
    await Promise.race([frozen.promise, applied.then(() => assert.fail(`there is no moment ${freezeAt}`))]);
  }

  async function outcome({ prefix, memory }: World) {
    const lists = await Promise.all(
      ["ConfigMap", "Secret"].map((kind) =>
        cluster.list({ apiVersion: "v1", kind, namespace: place.name }, patience()),
      ),
    );
    const live = lists.flatMap(({ items }) => items).filter(({ metadata }) => metadata.name.startsWith(`${prefix}-`));
    const state = await memory.store.load(shop);
    const { resources = [], pending_operations: pending = [] } = state?.state.deployment ?? {};
    const known = resources.filter(({ type }) => type.startsWith("kubernetes:core"));
    assert.deepEqual(
      known.map(({ id = "" }) => id).toSorted(),
      live.map(({ metadata }) => `${place.name}/${metadata.name}`).toSorted(),
      "the state names what is there, and all of it",
    );
    assert.deepEqual(pending, []);
    const marks = known.filter((one) => one.delete ?? one.pendingReplacement ?? one.initErrors);
    assert.deepEqual(marks, []);
    return live
      .map(({ kind, metadata, data }) => JSON.stringify([kind, metadata.name.slice(prefix.length), data]))
      .toSorted();
  }

  async function worldOf(prefix: string): Promise<World> {
    const world: World = { prefix, memory: makeMemoryStore(), closers: [] };
    await apply(world, 1);
    return world;
  }
  const close = async ({ closers }: World): Promise<unknown> => Promise.all(closers.map((end) => end()));

  for (const then of [2, 1] as const) {
    const what = then === 2 ? "the next apply reaches its end" : "an apply of the program before goes back";
    test(what, async (t) => {
      const straight = await worldOf(`straight${then}`);
      const moments = await apply(straight, 2);
      if (then === 1) await apply(straight, 1);
      const expected = await outcome(straight);
      await close(straight);
      assert.ok(moments >= 20, `${moments} moments`);
      for (let moment = 1; moment <= moments; moment++) {
        const world = await worldOf(`then${then}at${moment}`);
        await applyAndFreeze(world, 2, moment);
        await apply(world, then);
        assert.deepEqual(await outcome(world), expected, `after a stop at ${moment}`);
        await close(world);
      }
      t.diagnostic(`${moments} moments`);
    });
  }
});

interface World {
  readonly prefix: string;
  readonly memory: ReturnType<typeof makeMemoryStore>;
  readonly closers: (() => Promise<void>)[];
}
