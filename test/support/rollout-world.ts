import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../src/core/clock.ts";
import { WaybillError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/core/log.ts";
import { stackKey, type StackName } from "../../src/core/stack.ts";
import type { Rollout } from "../../src/spec/deployment.ts";
import { workloadOf } from "./workloads.ts";
import type { Workload } from "../../src/targets/workload.ts";
import type { Cluster, Selection } from "../../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeList, KubeObject, WatchEvent } from "../../src/targets/kubernetes/cluster/object.ts";
import { deploymentLabels, labels, namespaceOf } from "../../src/targets/kubernetes/names.ts";
import type { LineBook } from "../../src/targets/kubernetes/rollout/line-keeper.ts";
import type { Standing } from "../../src/targets/kubernetes/rollout/line.ts";
import type { Outline } from "../../src/targets/kubernetes/rollout/outline.ts";
import { makeClusterRollouts } from "../../src/targets/kubernetes/rollout/rollouts.ts";

const gpu = "nvidia.com/gpu";

/** A cluster of one node with two GPUs, that starts and stops pods as Deployments say. */
export function makeGpuCluster() {
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
export const workload = (deployment: string, gpus: number, text: string): Workload =>
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

export async function openRollouts(fake = makeGpuCluster(), lineBook = makeMemoryBook()) {
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

export function makeMemoryBook(): LineBook {
  const kept = new Map<string, Standing>();
  return {
    list: async () => structuredClone([...kept.values()]),
    note: async (standing) => void kept.set(stackKey(standing.stack), standing),
    drop: async (stack) => void kept.delete(stackKey(stack)),
  };
}
