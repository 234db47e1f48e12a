import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { Pod } from "../capacity/capacity.ts";
import type { Survey } from "../capacity/survey.ts";
import { isStatus } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { makeInformer } from "../cluster/informer.ts";
import type { KubeObject } from "../cluster/object.ts";
import { deploymentLabels, isOfAnother, labels, manager, namespaceOf, stackOf } from "../names.ts";
import { revisionOfPod } from "./outline.ts";

interface ScaledObject extends KubeObject {
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: { readonly spec?: { readonly terminationGracePeriodSeconds?: number } };
  };
}

/** How many replicas a Deployment had before it made room for its successor. Kept until that runs, over every crash. */
export const handedOver = "waybill.dev/handed-over";

// Owns the number of replicas while it is not the program's to say.
const fieldManager = "waybill-rollout";

const isHandedOver = ({ metadata }: KubeObject): boolean =>
  metadata.deletionTimestamp === undefined && metadata.annotations?.[handedOver] !== undefined;

const revisionLabel = ({ metadata }: KubeObject): string => metadata.labels?.[labels.revision] ?? "";

/** The stack's Deployments as the API server has them. */
async function revisionsOf(cluster: Cluster, stack: StackName, signal: AbortSignal): Promise<readonly ScaledObject[]> {
  const labelSelector = Object.entries(deploymentLabels(stack))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const selection = { apiVersion: "apps/v1", kind: "Deployment", namespace: namespaceOf(stack), labelSelector };
  const { items } = await cluster.list<ScaledObject>(selection, signal);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

/** Stops one revision for good; it stays to be looked at until the next one comes. */
export async function stopRevision(
  cluster: Cluster,
  { stack, revision }: { readonly stack: StackName; readonly revision: string },
  signal: AbortSignal,
): Promise<void> {
  const found = await revisionsOf(cluster, stack, signal);
  const own = found.filter((each) => revisionLabel(each) === revision && (each.spec?.replicas ?? 1) > 0);
  for (const each of own) await scale(cluster, { found: each, replicas: 0, kept: null }, signal);
}

interface Dependencies {
  readonly cluster: Cluster;
  readonly server: string;
  readonly survey: Pick<Survey, "capacity" | "until">;
  readonly clock: Clock;
  readonly log: Log;
}

/** Old revisions that stop to make room, and come back. */
export interface Handovers {
  readonly ready: Promise<void>;
  /** Stops every revision but this one; resolves once their pods have gone. */
  make(stack: StackName, revision: string, signal: AbortSignal): Promise<void>;
  /** Stops all revisions but these, for good: they failed, and nobody is served by them. */
  clear(stack: StackName, kept: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
  /** Whether a revision of the stack has made room and is not back. */
  isOut(stack: StackName): boolean;
  /** Stops what came in their place, and starts them again. `before` is what ran before, whatever else is found. */
  undo(stack: StackName, before: string | null, signal: AbortSignal): Promise<void>;
  /** The successor runs: nobody comes back. */
  forget(stack: StackName): void;
  close(): Promise<void>;
}

export function makeHandovers({ cluster, server, survey, clock, log }: Dependencies): Handovers {
  // What the watch below may not have told of yet.
  const out = new Set<string>();
  const revisions = makeInformer<ScaledObject>(cluster, {
    clock,
    log,
    apiVersion: "apps/v1",
    kind: "Deployment",
    labelSelector: `${labels.manager}=${manager},${labels.deployment}`,
    isMeant: ({ metadata }) => !isOfAnother(metadata.labels, server),
  });
  const gone = makeLeaving(survey);
  const isOf = (stack: StackName, { metadata }: ScaledObject): boolean => {
    const owner = stackOf(metadata.labels);
    return owner !== null && stackKey(owner) === stackKey(stack);
  };
  return {
    ready: revisions.ready,
    isOut: (stack) =>
      out.has(stackKey(stack)) || revisions.all().some((found) => isHandedOver(found) && isOf(stack, found)),
    async make(stack, revision, signal) {
      out.add(stackKey(stack));
      const others = (await revisionsOf(cluster, stack, signal)).filter((found) => revisionLabel(found) !== revision);
      for (const found of others) {
        const replicas = found.spec?.replicas ?? 1;
        if (replicas > 0) await scale(cluster, { found, replicas: 0, kept: String(replicas) }, signal);
      }
      await gone(stack, others, signal);
    },
    async clear(stack, kept, signal) {
      const found = await revisionsOf(cluster, stack, signal);
      const failed = found.filter((each) => !kept.has(revisionLabel(each)) && !isHandedOver(each));
      for (const each of failed) await scale(cluster, { found: each, replicas: 0, kept: null }, signal);
      await gone(stack, failed, signal);
    },
    async undo(stack, before, signal) {
      const found = await revisionsOf(cluster, stack, signal);
      // It may have failed or been killed before any of them was stopped.
      const isAnyOut = found.some(isHandedOver);
      const successors = found.filter((each) => isAnyOut && !isHandedOver(each) && revisionLabel(each) !== before);
      for (const each of successors) await scale(cluster, { found: each, replicas: 0, kept: null }, signal);
      await gone(stack, successors, signal);
      for (const each of found) {
        const kept = each.metadata.annotations?.[handedOver];
        if (kept !== undefined) await scale(cluster, { found: each, replicas: Number(kept) || 1, kept: null }, signal);
      }
      out.delete(stackKey(stack));
    },
    forget: (stack) => void out.delete(stackKey(stack)),
    close: () => revisions.close(),
  };
}

/** Resolves once none of their pods is left. One that does not end in its time (its node is away) is given up on. */
function makeLeaving(survey: Pick<Survey, "capacity" | "until">) {
  return async (stack: StackName, leaving: readonly ScaledObject[], signal: AbortSignal): Promise<void> => {
    const owner = stackKey(stack);
    const revisions = new Set(leaving.map(revisionLabel));
    const left = (): readonly Pod[] =>
      (survey.capacity()?.pods ?? []).filter((pod) => pod.owner === owner && revisions.has(revisionOfPod(pod)));
    const late = AbortSignal.timeout(Math.max(0, ...leaving.map(graceSeconds)) * 1_000 + lateMs);
    try {
      await survey.until(() => left().length === 0, AbortSignal.any([signal, late]));
    } catch (error) {
      signal.throwIfAborted();
      const names = left().map(({ name }) => name);
      throw new WaybillError("STEP_FAILED", `pods that were told to stop are still there: ${names.join(", ")}`, {
        cause: error,
      });
    }
  };
}

const lateMs = 120_000;
// What Kubernetes takes where nothing is said.
const defaultGraceSeconds = 30;
const graceSeconds = ({ spec }: ScaledObject): number =>
  spec?.template?.spec?.terminationGracePeriodSeconds ?? defaultGraceSeconds;

interface Scaling {
  readonly found: ScaledObject;
  readonly replicas: number;
  readonly kept: string | null;
}

async function scale(cluster: Cluster, { found, replicas, kept }: Scaling, signal: AbortSignal): Promise<void> {
  const { apiVersion, kind, metadata } = found;
  const { name, namespace, uid } = metadata;
  const object = {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      // Never another one that has taken the name, and never a new one where it has gone.
      ...(uid !== undefined && { uid }),
      ...(kept !== null && { annotations: { [handedOver]: kept } }),
    },
    spec: { replicas },
  };
  try {
    await cluster.apply(object, { signal, fieldManager });
  } catch (error) {
    // Gone meanwhile: then it has stopped, and there is nothing to start.
    if (!isStatus(error, 404) && !isStatus(error, 409)) throw error;
  }
}
