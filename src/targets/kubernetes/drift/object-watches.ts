import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer, type Informer } from "../cluster/informer.ts";
import type { Change } from "../cluster/mirror.ts";
import type { KindName, KubeObject, ObjectReference } from "../cluster/object.ts";
import { isOfAnother, labels, manager } from "../names.ts";
import { tracesOf, type Traces } from "./traces.ts";

interface Dependencies {
  readonly cluster: Cluster;
  /** What this server is called in it. */
  readonly server: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Traces of all objects that this server has made in a cluster. */
export interface ObjectWatches {
  /** Watches a further kind. */
  follow(kind: KindName): void;
  /** Whether there is such an object, as far as is known; false for one of a kind that is not watched. */
  has(reference: ObjectReference): boolean;
  /** Resolves once all that was there at first has been seen. */
  ready(): Promise<unknown>;
  close(): Promise<void>;
}

/** Seen for the whole cluster: its other parts look there, too. */
const clusterWide: readonly KindName[] = [
  { apiVersion: "v1", kind: "Namespace" },
  { apiVersion: "apps/v1", kind: "Deployment" },
  { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" },
  { apiVersion: "v1", kind: "ResourceQuota" },
  { apiVersion: "v1", kind: "LimitRange" },
];
/** Seen in each environment's namespace: nobody should have to let the server see all Secrets of a cluster. */
const byNamespace: readonly KindName[] = [
  ...["Service", "Secret", "ConfigMap", "ServiceAccount"].map((kind) => ({ apiVersion: "v1", kind })),
  { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" },
  { apiVersion: "policy/v1", kind: "PodDisruptionBudget" },
];

const labelSelector = `${labels.manager}=${manager}`;
const selectionOf = ({ apiVersion, kind }: KindName, namespace: string | undefined) => ({
  apiVersion,
  kind,
  labelSelector,
  ...(namespace !== undefined && { namespace }),
});
const isOwnOf =
  (server: string) =>
  ({ metadata }: KubeObject): boolean =>
    !isOfAnother(metadata.labels, server);
const keyOf = ({ apiVersion, kind }: KindName, namespace = ""): string => `${apiVersion} ${kind} ${namespace}`;

export function makeObjectWatches(
  { cluster, server, clock, log }: Dependencies,
  onChange: (change: Change<Traces>) => void,
): ObjectWatches {
  const informers = new Map<string, Informer<Traces>>();
  const kinds = new Map(byNamespace.map((kind) => [keyOf(kind), kind]));
  const spaces = new Set<string>();
  const ending = new Set<Promise<void>>();
  let isClosed = false;

  function open({ apiVersion, kind }: KindName, namespace?: string, heard = onChange): void {
    const key = keyOf({ apiVersion, kind }, namespace);
    // A look, or a change, that was under way may still ask for one.
    if (isClosed || informers.has(key)) return;
    const watch = { clock, log, isMeant: isOwnOf(server), trim: tracesOf, onChange: heard };
    informers.set(key, makeInformer<Traces>(cluster, { ...selectionOf({ apiVersion, kind }, namespace), ...watch }));
  }
  function onNamespace(change: Change<Traces>): void {
    const { name } = change.object.metadata;
    if (change.type === "set") {
      spaces.add(name);
      for (const kind of kinds.values()) open(kind, name);
    } else {
      spaces.delete(name);
      for (const kind of kinds.values()) end(keyOf(kind, name));
    }
    onChange(change);
  }
  function end(key: string): void {
    const closed = informers.get(key)?.close() ?? Promise.resolve();
    informers.delete(key);
    ending.add(closed);
    void closed.then(() => ending.delete(closed));
  }
  const [namespaces, ...others] = clusterWide;
  if (namespaces) open(namespaces, undefined, onNamespace);
  for (const kind of others) open(kind);
  const first = [...informers.values()];
  return {
    follow(kind) {
      if (kinds.has(keyOf(kind)) || informers.has(keyOf(kind))) return;
      kinds.set(keyOf(kind), kind);
      for (const namespace of spaces) open(kind, namespace);
    },
    has(reference) {
      const { name, namespace } = reference;
      const informer = informers.get(keyOf(reference)) ?? informers.get(keyOf(reference, namespace));
      return informer?.get(name, namespace) !== undefined;
    },
    async ready() {
      await Promise.all(first.map((informer) => informer.ready));
      await Promise.all([...informers.values()].map((informer) => informer.ready));
    },
    async close() {
      isClosed = true;
      await Promise.all([...informers.values()].map((informer) => informer.close()));
      await Promise.all(ending);
    },
  };
}
