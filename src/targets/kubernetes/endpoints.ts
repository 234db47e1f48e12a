import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { makeFeed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import type { Upstream } from "../route.ts";
import type { Cluster } from "./cluster/cluster.ts";
import { makeInformer, type Informer } from "./cluster/informer.ts";
import type { KubeObject } from "./cluster/object.ts";
import { isOfAnother, labels, manager } from "./names.ts";

type Service = Pick<Extract<Upstream, { readonly kind: "pods" }>, "target" | "namespace" | "service">;

interface Dependencies {
  /** A target's cluster; opened and closed here. */
  readonly connect: (target: string) => Promise<Cluster>;
  /** What this server is called in a target's cluster; undefined where that was not told. */
  readonly serverOf: (target: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** `discovery.k8s.io/v1`, as far as it is read (https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/). */
interface EndpointSlice extends KubeObject {
  readonly endpoints?: readonly Endpoint[];
}
interface Endpoint {
  readonly addresses: readonly string[];
  /** Absent means that it is not known, which is to be taken for true. */
  readonly conditions?: { readonly ready?: boolean };
}

/** What is known of one Service's pods. */
interface Pods {
  readonly addresses: readonly string[];
  /** Whose they are: the Service's label, which its slices have as well. Null: not said, or not of one mind. */
  readonly revision: string | null;
}

/** What one cluster tells. */
interface Watch {
  /** By `namespace/service`; null until everything was seen once. */
  known: ReadonlyMap<string, Pods> | null;
  readonly closing: AbortController;
  readonly running: Promise<void>;
}

const serviceName = "kubernetes.io/service-name";
const retryMs = 2_000;

/**
 * The ready addresses of the Services that Waybill made: one watch of EndpointSlices for each cluster that some route
 * leads into. Slices carry their Service's labels. What was last known stays in force while a cluster is away.
 */
export function makeClusterEndpoints(dependencies: Dependencies) {
  const watches = new Map<string, Watch>();
  const changes = makeFeed<void>();

  function open(target: string): Watch {
    const closing = new AbortController();
    const watch: Watch = {
      known: null,
      closing,
      running: follow(dependencies, target, {
        signal: closing.signal,
        onSlices(slices) {
          const known = podsOf(slices);
          if (isDeepStrictEqual(known, watch.known)) return;
          watch.known = known;
          changes.publish();
        },
      }),
    };
    return watch;
  }

  async function close(target: string, { closing, running }: Watch): Promise<void> {
    watches.delete(target);
    closing.abort(new Error("the watch was closed"));
    await running;
  }

  return {
    ready({ target, namespace, service }: Service): readonly string[] | null {
      const known = watches.get(target)?.known ?? null;
      return known === null ? null : (known.get(`${namespace}/${service}`)?.addresses ?? []);
    },
    revision: ({ target, namespace, service }: Service): string | null =>
      watches.get(target)?.known?.get(`${namespace}/${service}`)?.revision ?? null,
    follow(services: readonly Service[]): void {
      const targets = new Set(services.map(({ target }) => target));
      for (const target of targets) if (!watches.has(target)) watches.set(target, open(target));
      for (const [target, watch] of watches) if (!targets.has(target)) void close(target, watch);
    },
    onChange: (callback: () => void) => changes.listen(callback),
    async close(): Promise<void> {
      await Promise.all([...watches].map(([target, watch]) => close(target, watch)));
    },
  };
}

interface Following {
  readonly signal: AbortSignal;
  readonly onSlices: (slices: readonly EndpointSlice[]) => void;
}

async function follow(dependencies: Dependencies, target: string, { signal, onSlices }: Following): Promise<void> {
  const cluster = await connected(dependencies, target, signal);
  if (cluster === null) return;
  const { clock, log } = dependencies;
  const server = dependencies.serverOf(target);
  let isComplete = false;
  const informer: Informer<EndpointSlice> = makeInformer<EndpointSlice>(cluster, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    labelSelector: `${labels.manager}=${manager}`,
    isMeant: ({ metadata }) => server === undefined || !isOfAnother(metadata.labels, server),
    clock,
    log,
    // While a list is taken in one by one, what is known of others would look as if it had gone.
    onChange: () => (isComplete ? onSlices(informer.all()) : undefined),
  });
  try {
    await Promise.race([informer.ready, aborted(signal)]);
    isComplete = true;
    if (!signal.aborted) onSlices(informer.all());
    await aborted(signal);
  } finally {
    await informer.close();
    cluster.close();
  }
}

async function connected(
  { connect, clock, log }: Dependencies,
  target: string,
  signal: AbortSignal,
): Promise<Cluster | null> {
  while (!signal.aborted) {
    try {
      return await connect(target);
    } catch (error) {
      log.error({ target, error: messageOf(error) }, "a cluster's pods cannot be looked up; trying again");
      await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
  return null;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

/** A Service may have several slices, and an address may be in two of them while it moves. */
export function podsOf(slices: readonly EndpointSlice[]): ReadonlyMap<string, Pods> {
  const found = new Map<string, { readonly addresses: Set<string>; readonly revisions: Set<string | null> }>();
  for (const { metadata, endpoints } of slices) {
    const service = metadata.labels?.[serviceName];
    if (service === undefined) continue;
    const key = `${metadata.namespace ?? ""}/${service}`;
    const { addresses, revisions } = found.get(key) ?? { addresses: new Set<string>(), revisions: new Set() };
    found.set(key, { addresses, revisions });
    revisions.add(metadata.labels?.[labels.revision] ?? null);
    for (const { addresses: own, conditions } of endpoints ?? []) {
      // Those of one endpoint are one pod's: the first is enough (as kube-proxy does).
      const [first] = own;
      if (conditions?.ready !== false && first !== undefined) addresses.add(first);
    }
  }
  return new Map(
    [...found].map(([key, { addresses, revisions }]) => {
      const [revision = null, ...others] = revisions;
      return [key, { addresses: [...addresses].sort(), revision: others.length === 0 ? revision : null }];
    }),
  );
}
