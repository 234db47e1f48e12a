import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import type { Program } from "../src/engine/engine.ts";
import { makeInformer } from "../src/targets/kubernetes/cluster/informer.ts";
import { startApiProxy, type Asked, type Fault } from "./support/api-proxy.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { idleImage, makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { shop } from "./support/stacks.ts";

const skip = clusterSkip();

const program =
  (level: string): Program =>
  async () => {
    for (const index of Array.from({ length: 10 }).keys()) {
      void new ConfigMap(`part-${index}`, { metadata: { name: `part-${index}` }, data: { level } });
    }
    const labels = { app: "web" };
    void new Deployment("web", {
      metadata: { name: "web", annotations: { level } },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { level } },
          spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{ name: "main", image: idleImage, imagePullPolicy: "IfNotPresent" }],
          },
        },
      },
    });
  };

async function openWorld() {
  const proxy = await startApiProxy();
  const world = await makeKubernetesEngine({ kubeconfig: proxy.kubeconfig });
  const levels = async (): Promise<readonly string[]> => {
    const selection = { apiVersion: "v1", kind: "ConfigMap", namespace: world.namespace };
    const { items } = await world.cluster.list(selection, patience());
    const parts = items.filter(({ metadata }) => metadata.name.startsWith("part-"));
    return parts.map(({ data }) => (data as { readonly level: string }).level);
  };
  return {
    ...world,
    proxy,
    levels,
    async [Symbol.asyncDispose]() {
      proxy.failWith(() => null);
      await world[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Every request fails this often before it passes. */
function oftenFailing(times: number, faults: readonly Fault[]): (asked: Asked) => Fault | null {
  const failures = new Map<string, number>();
  return ({ method, path }) => {
    const key = `${method} ${path}`;
    const count = failures.get(key) ?? 0;
    if (count >= times) return null;
    failures.set(key, count + 1);
    return faults[count % faults.length] ?? null;
  };
}

describe("a cluster in trouble", { skip, timeout: 300_000 }, () => {
  test("a storm of 409, 429, 500, 503 and lost answers: an apply converges all the same", async () => {
    await using world = await openWorld();
    const { engine, config, proxy } = world;
    const storm: readonly Fault[] = [
      { status: 429, reason: "TooManyRequests", retryAfterSeconds: 1 },
      { status: 503, reason: "ServiceUnavailable" },
      "lost",
      { status: 500 },
      "cut",
    ];
    proxy.failWith(oftenFailing(3, storm));
    await engine.up(shop, program("a"), { config });
    assert.deepEqual(
      await world.levels(),
      Array.from({ length: 10 }, () => "a"),
    );
    proxy.failWith(({ method }) =>
      method === "PATCH" && Math.random() < 0.3 ? { status: 409, reason: "Conflict" } : null,
    );
    await engine.up(shop, program("b"), { config });
    assert.deepEqual(
      await world.levels(),
      Array.from({ length: 10 }, () => "b"),
    );
    proxy.failWith(oftenFailing(2, storm));
    await engine.destroy(shop);
    assert.deepEqual(await world.levels(), []);
  });

  test("watches that are cut and too late: readiness is seen all the same", async () => {
    await using world = await openWorld();
    const { engine, config, proxy } = world;
    let watches = 0;
    proxy.failWith(({ isWatch }) => (isWatch && watches++ % 3 === 0 ? "expired" : null));
    const cutting = setInterval(() => proxy.cutWatches(), 100);
    try {
      await engine.up(shop, program("a"), { config });
      await engine.up(shop, program("b"), { config });
    } finally {
      clearInterval(cutting);
    }
    assert.ok(watches >= 2, `${watches} watches`);
    await engine.destroy(shop);
  });

  test("an API server that is away in mid-apply and comes back", async () => {
    await using world = await openWorld();
    const { engine, config, proxy } = world;
    let patches = 0;
    const gone = Promise.withResolvers<void>();
    proxy.failWith(({ method }) => {
      if (method === "PATCH" && ++patches === 4) gone.resolve();
      return null;
    });
    const up = engine.up(shop, program("a"), { config });
    await gone.promise;
    await proxy.stop();
    await wait(1_500);
    await proxy.restart();
    const { changes } = await up;
    assert.equal(changes.create, 12);
    assert.deepEqual(
      await world.levels(),
      Array.from({ length: 10 }, () => "a"),
    );
    await engine.destroy(shop);
  });

  test("a cancelled apply leaves nothing behind that the state does not know", async () => {
    await using world = await openWorld();
    const { engine, config, proxy } = world;
    const cancel = new AbortController();
    proxy.failWith(({ method, path }) => {
      if (method !== "PATCH" || path.includes("dryRun")) return null;
      cancel.abort(new Error("a newer snapshot"));
      return "lost";
    });
    const only = async () => void new ConfigMap("part-0", { metadata: { name: "part-0" }, data: { level: "a" } });
    await assert.rejects(engine.up(shop, only, { config, signal: cancel.signal }), { code: "APPLY_CANCELLED" });
    proxy.failWith(() => null);
    assert.deepEqual(await world.levels(), ["a"]);
    const state = await engine.export(shop);
    const kept = state?.deployment.resources?.find(({ type }) => type === "kubernetes:core/v1:ConfigMap");
    assert.equal(kept?.id, `${world.namespace}/part-0`);
    await engine.destroy(shop);
    assert.deepEqual(await world.levels(), []);
  });

  test("an informer misses nothing that happens while its watch is cut", async () => {
    await using world = await openWorld();
    const { cluster, proxy, namespace } = world;
    const selection = { apiVersion: "v1", kind: "ConfigMap", namespace };
    const seen = new Set<string>();
    await using informer = Object.assign(
      makeInformer(cluster, { ...selection, onChange: ({ object }) => void seen.add(object.metadata.name) }),
      {
        async [Symbol.asyncDispose]() {
          await informer.close();
        },
      },
    );
    await informer.ready;
    const names = Array.from({ length: 30 }, (_, index) => `note-${index}`);
    for (const [index, name] of names.entries()) {
      if (index % 7 === 0) proxy.cutWatches();
      await cluster.apply(
        { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace } },
        { signal: patience() },
      );
    }
    for (let tries = 0; tries < 100 && !names.every((name) => seen.has(name)); tries++) await wait(100);
    assert.deepEqual(
      names.filter((name) => !seen.has(name)),
      [],
    );
    assert.equal(informer.trouble(), null);
  });
});
