import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import { silentLog } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { Progress } from "../../../release/deployer.ts";
import type { Rollout } from "../../../spec/deployment.ts";
import { workloadOf } from "../../../../test/support/workloads.ts";
import type { Workload } from "../../workload.ts";
import type { Cluster, Selection } from "../cluster/cluster.ts";
import type { KubeList, KubeObject, WatchEvent } from "../cluster/object.ts";
import { deploymentLabels, labels, namespaceOf } from "../names.ts";
import type { LineBook } from "./line-keeper.ts";
import type { Standing } from "./line.ts";
import type { Outline } from "./outline.ts";
import { makeClusterRollouts } from "./rollouts.ts";

const gpu = "nvidia.com/gpu";

/** A cluster of one node with two GPUs, that starts and stops pods as Deployments say. */
function makeFakeCluster() {
  const kept = new Map<string, KubeObject>();
  const watchers = new Set<(event: WatchEvent) => void>();
  const state = { isAway: false };
  let version = 1;
  const keyOf = ({ kind, metadata }: KubeObject): string => `${kind}/${metadata.name}`;
  function set(object: KubeObject): void {
    const type = kept.has(keyOf(object)) ? "MODIFIED" : "ADDED";
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String((version += 1)) } };
    kept.set(keyOf(object), stored);
    for (const tell of watchers) tell({ type, object: stored });
  }
  function drop(object: KubeObject): void {
    kept.delete(keyOf(object));
    for (const tell of watchers) tell({ type: "DELETED", object });
  }
  const unused = (): never => assert.fail("not asked for here");
  const cluster: Cluster = {
    server: "fake",
    namespace: undefined,
    resource: unused,
    create: unused,
    get: unused,
    delete: unused,
    patch: unused,
    stream: unused,
    close: () => undefined,
    async list<Kind extends KubeObject>({ kind, labelSelector = "" }: Selection): Promise<KubeList<Kind>> {
      const wanted = labelSelector.split(",").filter((each) => each.includes("="));
      const carries = ({ metadata }: KubeObject): boolean =>
        wanted.every((each) => metadata.labels?.[each.split("=")[0] ?? ""] === each.split("=")[1]);
      const items = [...kept.values()].filter((each) => each.kind === kind && carries(each));
      return { resourceVersion: String(version), items: items as Kind[] };
    },
    async *watch<Kind extends KubeObject>({ kind }: { kind: string }, { signal }: { signal: AbortSignal }) {
      const queue: WatchEvent[] = [];
      let wake = (): void => undefined;
      const take = (event: WatchEvent): void => {
        if (event.object.kind === kind) queue.push(event);
        wake();
      };
      watchers.add(take);
      signal.addEventListener("abort", () => wake());
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event) yield event as WatchEvent<Kind>;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      } finally {
        watchers.delete(take);
      }
    },
    async apply(object) {
      if (state.isAway) throw new WaybillError("CLUSTER_UNREACHABLE", "the API server is away");
      const before = kept.get(keyOf(object));
      assert.ok(before, "only what is there is scaled");
      const { annotations } = object.metadata;
      const metadata = { ...before.metadata, annotations: annotations ?? {} };
      const changed = { ...before, metadata, spec: object["spec"] };
      set(changed);
      setImmediate(() => run(changed));
      return changed;
    },
  };
  /** What the cluster's controllers and its kubelet do. */
  function run(deployment: KubeObject): void {
    const { replicas } = deployment["spec"] as { replicas: number };
    const pod = [...kept.values()].find(
      (each) => each.kind === "Pod" && each.metadata.name === deployment.metadata.name,
    );
    const { gpus } = deployment["status"] as { gpus: number };
    const { name, namespace = "", labels: own = {} } = deployment.metadata;
    const containers = [{ resources: { requests: { [gpu]: String(gpus) } } }];
    const metadata = { name, namespace, labels: own };
    if (replicas > 0) set({ apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: "a", containers } });
    else if (pod) drop(pod);
  }
  const allocatable = { [gpu]: "2", cpu: "4", memory: "8Gi", pods: "100" };
  const conditions = [{ type: "Ready", status: "True" }];
  set({ apiVersion: "v1", kind: "Node", metadata: { name: "a" }, status: { allocatable, conditions } });
  return {
    cluster,
    state,
    /** One replica of that revision, which runs. */
    deploy({ stack, revision, parts }: Outline): void {
      const own = { ...deploymentLabels(stack), [labels.revision]: revision };
      const deployment = {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: {
          name: `${stack.deployment}-${revision}`,
          namespace: namespaceOf(stack),
          labels: own,
          uid: revision,
        },
        spec: { replicas: 1 },
        status: { gpus: Number(parts[0]?.resources.requests[gpu]) },
      };
      set(deployment);
      run(deployment);
    },
    remove: ({ stack, revision }: Outline): void => {
      for (const each of kept.values()) if (each.metadata.name === `${stack.deployment}-${revision}`) drop(each);
    },
    /** Told to stop, and still there. */
    leave({ stack, revision }: Outline): void {
      for (const each of Array.from(kept.values())) {
        const isIts = each.kind === "Pod" && each.metadata.name === `${stack.deployment}-${revision}`;
        if (isIts) set({ ...each, metadata: { ...each.metadata, deletionTimestamp: new Date().toISOString() } });
      }
    },
    pods: () =>
      [...kept.values()]
        .filter(({ kind }) => kind === "Pod")
        .map(({ metadata }) => metadata.name)
        .toSorted(),
  };
}

/** `a:1` is a's revision of that text, with one GPU. */
const workload = (deployment: string, gpus: number, text: string): Workload =>
  workloadOf(
    `kind: worker\nname: ${deployment}\ncommand: ${text}\nsize: {cpu: 1, memory: 1Gi, gpu: {count: ${gpus}}}\n`,
  );

function outlineOf({ stack, spec }: Workload): Outline | null {
  if (spec.kind !== "worker") return null;
  const count = String(spec.size.gpu?.count ?? 0);
  const resources = { requests: { [gpu]: count }, limits: { [gpu]: count }, nodeRequirements: [], tolerations: [] };
  const rollout: Rollout | null = spec.rollout;
  const revision = spec.command ?? "";
  return {
    stack,
    namespace: namespaceOf(stack),
    revision,
    parts: [{ component: null, replicas: 1, resources, gpu: spec.size.gpu ?? null }],
    rollout,
    startSeconds: 30,
  };
}

async function open(fake = makeFakeCluster(), lineBook = makeMemoryBook()) {
  const parked: string[] = [];
  const entrance = {
    park: async ({ deployment }: StackName, forSeconds: number | null) =>
      void parked.push(`${deployment} ${forSeconds}`),
  };
  const rollouts = makeClusterRollouts({
    cluster: fake.cluster,
    server: "5e44e4",
    outlineOf,
    entrance,
    lineBook,
    clock: systemClock,
    log: silentLog,
  });
  await rollouts.ready;
  const signal = AbortSignal.timeout(10_000);
  return {
    ...fake,
    rollouts,
    /** What the entrance was told. */
    parked,
    signal,
    /** Resolves once the watches have told. */
    async run(given: Workload): Promise<void> {
      fake.deploy(outlineOf(given) ?? assert.fail("nothing runs of it"));
      await sleep(20);
    },
    leave: (given: Workload): void => fake.leave(outlineOf(given) ?? assert.fail("nothing runs of it")),
    stop: (given: Workload): void => fake.remove(outlineOf(given) ?? assert.fail("nothing runs of it")),
    begin: (given: Workload, previous: Workload | null = null) =>
      rollouts.begin(given, { signal, onProgress: () => undefined, previous }),
    [Symbol.asyncDispose]: () => rollouts.close(),
  };
}

function makeMemoryBook(): LineBook {
  const kept = new Map<string, Standing>();
  return {
    list: async () => structuredClone([...kept.values()]),
    note: async (standing) => void kept.set(stackKey(standing.stack), standing),
    drop: async (stack) => void kept.delete(stackKey(stack)),
  };
}

test("who waited before a restart is before who comes after it, until it has its turn", async () => {
  const [fake, book] = [makeFakeCluster(), makeMemoryBook()];
  const [busy, first, second] = [workload("busy", 2, "b1"), workload("a", 2, "a1"), workload("b", 1, "b1")];
  {
    await using world = await open(fake, book);
    await world.run(busy);
    await assert.rejects(world.begin(first), { code: "ROLLOUT_WAITING" });
  }
  {
    await using world = await open(fake, book);
    world.stop(busy);
    await sleep(20);
    await assert.rejects(world.begin(second), /behind shop\/production\/a, which waits since .* for 2 GPUs/);
    const turn = await world.begin(first);
    await world.run(first);
    turn.end({ kind: "runs" });
    world.stop(first);
    await sleep(20);
    (await world.begin(second)).end({ kind: "runs" });
  }
  assert.deepEqual(await book.list(), []);
});

test("of two that want the last GPU at one moment, one gets it and the other waits for it", async () => {
  await using world = await open();
  await world.run(workload("old", 1, "o1"));
  const [a, b] = [workload("a", 1, "a1"), workload("b", 1, "b1")];
  const begun = await Promise.allSettled([world.begin(a), world.begin(b)]);
  assert.deepEqual(begun.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
  const reason: unknown = begun[1].status === "rejected" ? begun[1].reason : null;
  assert.ok(reason instanceof Error);
  assert.match(
    reason.message,
    /^no node has a free GPU \(2 of 2 in use by shop\/production\/a, shop\/production\/old\)/,
  );
  const changed = world.rollouts.changed(b.stack, world.signal);
  const running = world.run(a);
  if (begun[0].status === "fulfilled") begun[0].value.end({ kind: "runs" });
  await running;
  world.stop(workload("old", 1, "o1"));
  await changed;
  await world.begin(b);
});

test("the old revision makes room, and comes back when the new one fails", async () => {
  await using world = await open();
  const [old, next] = [workload("a", 2, "a1"), workload("a", 2, "a2")];
  await world.run(old);
  assert.match(world.rollouts.notices(next).join(), /^there is no room for both revisions: no node has 2 free GPUs/);
  const turn = await world.begin(next, old);
  assert.deepEqual(world.pods(), []);
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await world.run(next);
  assert.deepEqual(world.pods(), ["a-a2"]);
  assert.deepEqual(world.parked, ["a 30"]);
  await world.rollouts.giveBack(old.stack, old, world.signal);
  turn.end({ kind: "failed", reason: "exited with 3", isOutage: true });
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.deepEqual(world.parked, ["a 30", "a null"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
  await assert.rejects(world.begin(next, old), /the new one is tried again in 1 min. It failed: exited with 3/);
  (await world.begin(workload("a", 2, "a3"), old)).end({ kind: "runs" });
});

test("what sleeps wakes where there is room, and else waits in line with the reason", async () => {
  await using world = await open();
  const [busy, sleeper] = [workload("busy", 2, "b1"), workload("a", 1, "a1")];
  const reasons: string[] = [];
  const onWait = async (reason: string): Promise<void> => void reasons.push(reason);
  await world.run(busy);
  const late = AbortSignal.timeout(50);
  await assert.rejects(world.rollouts.wake(sleeper, { signal: late, onWait }), { name: "TimeoutError" });
  assert.deepEqual(reasons, ["no node has a free GPU (2 of 2 in use by shop/production/busy)"]);
  // Its place is kept: who comes later and lacks the same stands behind it.
  const next = workload("next", 2, "n1");
  world.stop(busy);
  await sleep(20);
  await assert.rejects(world.begin(next), /behind shop\/production\/a, which waits since/);
  const turn = await world.rollouts.wake(sleeper, { signal: world.signal, onWait });
  await world.run(sleeper);
  turn.end({ kind: "runs" });
  await assert.rejects(world.rollouts.wake(workload("huge", 3, "h1"), { signal: world.signal, onWait }), {
    code: "ROLLOUT_IMPOSSIBLE",
  });
});

test("who was cancelled while the old revision was away is followed by one that knows it", async () => {
  await using world = await open();
  const old = workload("a", 2, "a1");
  await world.run(old);
  (await world.begin(workload("a", 2, "a2"), old)).end({ kind: "cancelled" });
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await assert.rejects(world.begin(workload("a", 3, "a3"), old), { code: "ROLLOUT_IMPOSSIBLE" });
  assert.ok(world.rollouts.hasHandedOver(old.stack));
  await world.rollouts.giveBack(old.stack, old, world.signal);
  assert.deepEqual(world.pods(), ["a-a1"]);
});

test("an old revision that could not be stopped runs on", async () => {
  await using world = await open();
  const old = workload("a", 2, "a1");
  await world.run(old);
  world.state.isAway = true;
  await assert.rejects(world.begin(workload("a", 2, "a2"), old), /the API server is away/);
  world.state.isAway = false;
  await world.rollouts.giveBack(old.stack, old, world.signal);
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
});

test("what failed before gives way to the next, before what serves does", async () => {
  await using world = await open();
  const [old, failed] = [workload("a", 1, "a1"), workload("a", 1, "a2")];
  await world.run(old);
  await world.run(failed);
  const turn = await world.begin(workload("a", 1, "a3"), old);
  assert.deepEqual(world.pods(), ["a-a1"]);
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
  turn.end({ kind: "runs" });
});

test("what is to rest needs no room", async () => {
  await using world = await open();
  await world.run(workload("b", 2, "b1"));
  const wanted = workload("a", 1, "a1");
  await assert.rejects(world.begin(wanted), { code: "ROLLOUT_WAITING" });
  const site = workloadOf("kind: site\nname: a\n");
  (await world.begin(site)).end({ kind: "runs" });
  assert.deepEqual(world.rollouts.notices(site), []);
});

test("pods that stop are waited for, and what they held is taken", async () => {
  await using world = await open();
  const [old, next] = [workload("a", 2, "a1"), workload("a", 2, "a2")];
  await world.run(old);
  world.leave(old);
  await sleep(20);
  const said: string[] = [];
  const options = { signal: world.signal, onProgress: ({ message }: Progress) => void said.push(message) };
  const begun = world.rollouts.begin(next, options);
  await sleep(50);
  assert.deepEqual(said, ["pods that hold what it wants are stopping"]);
  world.stop(old);
  (await begun).end({ kind: "runs" });
  assert.ok(!world.rollouts.hasHandedOver(old.stack));
});
