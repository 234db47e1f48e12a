import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer, type Informer } from "../cluster/informer.ts";
import type { KubeObject } from "../cluster/object.ts";
import { isOfAnother, labels, manager } from "../names.ts";
import type { Capacity, Pod } from "./capacity.ts";
import {
  limitRangeOf,
  nodeOf,
  podOf,
  quotaOf,
  type LimitRangeObject,
  type NodeObject,
  type PodObject,
  type QuotaObject,
} from "./reader.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What this server is called in it. */
  readonly server: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Something that capacity is made of has changed. Must not throw. */
  readonly onChange: () => void;
}

/** A cluster's capacity, kept up to date by what the cluster tells. */
export interface Survey {
  /** Resolves once everything has been seen. */
  readonly ready: Promise<unknown>;
  /** Null until everything has been seen, and where the server may not look. */
  capacity(): Capacity | null;
  /** Resolves once it is so, looking again at each change. Rejects when the signal aborts. */
  until(isSo: () => boolean, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function makeSurvey({ cluster, server, clock, log, onChange: tell }: Dependencies): Survey {
  const waiting = new Set<() => void>();
  const onChange = (): void => {
    for (const look of waiting) look();
    tell();
  };
  const watch = { clock, log, apiVersion: "v1", onChange };
  const nodes = makeInformer<NodeObject>(cluster, {
    ...watch,
    kind: "Node",
    onChange: whenItMatters(nodeOf, onChange),
  });
  const pods = makeInformer<PodObject>(cluster, { ...watch, kind: "Pod", onChange: whenItMatters(podOf, onChange) });
  const quotas = makeInformer<QuotaObject>(cluster, { ...watch, kind: "ResourceQuota" });
  const limitRanges = makeInformer<LimitRangeObject>(cluster, { ...watch, kind: "LimitRange" });
  const others = watchOthers(cluster, server, watch);
  const ready = Promise.all([nodes.ready, pods.ready, quotas.ready, limitRanges.ready]);
  let isReady = false;
  ready.then(
    () => {
      isReady = true;
      onChange();
    },
    () => undefined,
  );
  const read = { node: remembered(nodeOf), pod: remembered(podOf), quota: remembered(quotaOf) };
  return {
    ready,
    capacity() {
      if (!isReady) return null;
      return {
        nodes: nodes.all().map(read.node),
        pods: pods.all().flatMap((pod) => asSeen(read.pod(pod), others)),
        quotas: quotas.all().flatMap((quota) => read.quota(quota) ?? []),
        limitRanges: limitRanges.all().map(limitRangeOf),
      };
    },
    until: (isSo, signal) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          waiting.delete(look);
          signal.removeEventListener("abort", look);
        };
        const look = (): void => {
          if (signal.aborted) reject(signal.reason as Error);
          else if (!isSo()) return;
          else resolve();
          end();
        };
        waiting.add(look);
        signal.addEventListener("abort", look);
        look();
      }),
    async close() {
      const informers: readonly Informer[] = [nodes, pods, quotas, limitRanges, others];
      await Promise.all(informers.map((informer) => informer.close()));
    },
  };
}

type Watching = Pick<Dependencies, "clock" | "log" | "onChange"> & { readonly apiVersion: string };

/** Other servers' namespaces. Pods there are called like ours, and would be taken for an old revision of ours. */
const watchOthers = (cluster: Cluster, server: string, watch: Watching): Informer =>
  makeInformer(cluster, {
    ...watch,
    kind: "Namespace",
    labelSelector: `${labels.manager}=${manager}`,
    isMeant: ({ metadata }) => isOfAnother(metadata.labels, server),
  });

function asSeen(pod: Pod | null, others: Pick<Informer, "get">): readonly Pod[] {
  if (pod === null) return [];
  return [others.get(pod.namespace) ? { ...pod, owner: `${pod.namespace}/${pod.name}` } : pod];
}

/** Nodes say every few seconds that they live, and pods change without moving: only what is read of them counts. */
function whenItMatters<Kind extends KubeObject>(read: (object: Kind) => unknown, onChange: () => void) {
  return (change: { readonly type: string; readonly object: Kind; readonly before?: Kind | null }): void => {
    const { type, object, before } = change;
    const isSame = type === "set" && before && JSON.stringify(read(before)) === JSON.stringify(read(object));
    if (!isSame) onChange();
  };
}

/** Objects are kept as they are until they change: each is read once. */
function remembered<Kind extends KubeObject, Value>(read: (object: Kind) => Value): (object: Kind) => Value {
  const known = new WeakMap<Kind, { readonly value: Value }>();
  return (object) => {
    const kept = known.get(object) ?? { value: read(object) };
    known.set(object, kept);
    return kept.value;
  };
}
