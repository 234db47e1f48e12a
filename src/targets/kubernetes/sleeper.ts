import type { Clock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Turn } from "../rollout.ts";
import type { Upstream } from "../route.ts";
import type { SleepPlace, Sleeper } from "../sleep/keeper.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { WakeOptions } from "./rollout/waking.ts";
import { labels } from "./names.ts";
import type { Trouble } from "./observe/diagnosis.ts";
import { isReady, type PodObject } from "./observe/pods.ts";
import { asleepSince, wakeFailure, wakeWaits } from "./place.ts";

interface Dependencies {
  readonly cluster: Cluster;
  readonly status: Observed;
  readonly clock: Clock;
  /** Room to wake in; absent where it is never scarce. */
  readonly room?: (stack: StackName, options: WakeOptions) => Promise<Turn>;
}

interface Observed {
  pods(stack: StackName): readonly PodObject[];
  onPods(listener: (stack: StackName) => void): () => void;
  trouble(stack: StackName): Trouble | null;
}

// The number of replicas is ours and not the program's while it sleeps: an unchanged deploy wakes nobody.
const fieldManager = "waybill-sleep";

/** A Deployment that sleeps has no replicas, and says since when. */
export function makeClusterSleeper(dependencies: Dependencies): Sleeper {
  const { cluster, clock, room } = dependencies;

  async function scale(reference: Reference, { replicas, annotations }: Scale, signal: AbortSignal): Promise<boolean> {
    if ((await cluster.get(reference, signal)) === null) return false;
    const { apiVersion, kind, namespace, name } = reference;
    const metadata = { name, namespace, annotations };
    await cluster.apply({ apiVersion, kind, metadata, spec: { replicas } }, { signal, fieldManager });
    return true;
  }

  /** Whoever asked waits for as long as for a start; then they are told, and its place in line is kept for a while. */
  async function roomFor(
    { stack, startTimeoutSeconds }: SleepPlace,
    deployments: readonly Reference[],
    signal: AbortSignal,
  ): Promise<Turn | null> {
    const since = clock.now().toISOString();
    let reason = "";
    const onWait = async (why: string): Promise<void> => {
      reason = why;
      const annotations = { [asleepSince]: since, [wakeWaits]: why };
      for (const deployment of deployments) await scale(deployment, { replicas: 0, annotations }, signal);
    };
    const late = AbortSignal.timeout(startTimeoutSeconds * 1_000);
    try {
      return (await room?.(stack, { signal: AbortSignal.any([signal, late]), onWait })) ?? null;
    } catch (error) {
      if (signal.aborted || !late.aborted) throw error;
      const annotations = { [asleepSince]: since, [wakeFailure]: reason };
      for (const deployment of deployments) await scale(deployment, { replicas: 0, annotations }, signal);
      throw new WaybillError("WORKLOAD_FAILED", reason, { cause: error });
    }
  }

  return {
    async sleep(place, signal) {
      const annotations = { [asleepSince]: clock.now().toISOString() };
      const scaled = await Promise.all(
        deploymentsOf(place).map((deployment) => scale(deployment, { replicas: 0, annotations }, signal)),
      );
      return scaled.length > 0 && scaled.every(Boolean);
    },
    async wake(place, signal) {
      const deployments = deploymentsOf(place);
      const turn = await roomFor(place, deployments, signal);
      for (const deployment of deployments) {
        if (await scale(deployment, { replicas: 1, annotations: {} }, signal)) continue;
        const reason = `${deployment.name} is not in the cluster any more: deploy it again`;
        turn?.end({ kind: "failed", reason, isOutage: false });
        throw new WaybillError("WORKLOAD_FAILED", reason);
      }
      const trouble = await untilReady(dependencies, place, signal);
      turn?.end(trouble === null ? { kind: "runs" } : { kind: "failed", reason: trouble, isOutage: false });
      if (trouble === null) return;
      signal.throwIfAborted();
      const annotations = { [asleepSince]: clock.now().toISOString(), [wakeFailure]: trouble };
      for (const deployment of deployments) await scale(deployment, { replicas: 0, annotations }, signal);
      throw new WaybillError("WORKLOAD_FAILED", trouble);
    },
  };
}

interface Scale {
  readonly replicas: number;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Reference {
  readonly apiVersion: "apps/v1";
  readonly kind: "Deployment";
  readonly namespace: string;
  readonly name: string;
}

const podsUpstreams = ({ upstreams }: SleepPlace): readonly Extract<Upstream, { readonly kind: "pods" }>[] =>
  upstreams.filter((upstream) => upstream.kind === "pods");

/** Each revision is a Deployment of its own. */
function deploymentsOf(place: SleepPlace): readonly Reference[] {
  const found = podsUpstreams(place).map(({ namespace, revision }): [string, Reference] => {
    const name = `${place.stack.deployment}-${revision}`;
    return [`${namespace}/${name}`, { apiVersion: "apps/v1", kind: "Deployment", namespace, name }];
  });
  return [...new Map(found).values()];
}

/** Null: a pod of the revision is ready; else why none came to be. */
function untilReady({ status }: Dependencies, place: SleepPlace, signal: AbortSignal): Promise<string | null> {
  const { stack, startTimeoutSeconds } = place;
  const revisions = new Set(podsUpstreams(place).map(({ revision }) => revision));
  const timeout = AbortSignal.timeout(startTimeoutSeconds * 1_000);
  const over = AbortSignal.any([signal, timeout]);
  const isUp = (pod: PodObject): boolean =>
    pod.metadata.deletionTimestamp === undefined &&
    revisions.has(pod.metadata.labels?.[labels.revision] ?? "") &&
    isReady(pod);
  return new Promise((resolve) => {
    const stop = status.onPods((changed) => (stackKey(changed) === stackKey(stack) ? look() : undefined));
    over.addEventListener("abort", look);
    look();
    function look(): void {
      const trouble = status.trouble(stack);
      if (status.pods(stack).some(isUp)) settle(null);
      else if (trouble?.isFinal) settle(trouble.reason);
      else if (over.aborted) settle(trouble?.reason ?? `nothing was ready after ${startTimeoutSeconds} s`);
    }
    function settle(outcome: string | null): void {
      stop();
      over.removeEventListener("abort", look);
      resolve(outcome);
    }
  });
}
