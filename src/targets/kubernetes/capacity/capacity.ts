import type { TolerationSettings } from "../../../spec/server-settings.ts";
import type { NodeRequirement } from "../sizes.ts";

/** By resource: CPU in thousandths of a core, memory and disk in bytes, pods and devices counted. */
export type Amounts = Readonly<Record<string, number>>;
export type Labels = Readonly<Record<string, string>>;

/** What a cluster has and who holds it: a value, read at one moment. */
export interface Capacity {
  readonly nodes: readonly NodeCapacity[];
  /** All that hold or want room: neither ended, nor of the revision that is asked about. */
  readonly pods: readonly Pod[];
  readonly quotas: readonly Quota[];
  readonly limitRanges: readonly LimitRange[];
}

export interface NodeCapacity {
  readonly name: string;
  readonly allocatable: Amounts;
  readonly labels: Labels;
  readonly taints: readonly Taint[];
  readonly isReady: boolean;
  /** Cordoned. */
  readonly isUnschedulable: boolean;
}

export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: "NoSchedule" | "PreferNoSchedule" | "NoExecute";
}

/** What the scheduler looks at when it places a pod. */
export interface PodShape {
  readonly namespace: string;
  /** Which of its deployment's components, where a reason is to name it. */
  readonly component?: string;
  readonly labels: Labels;
  /** With `pods: 1`, which every node counts, too. */
  readonly requests: Amounts;
  readonly limits: Amounts;
  readonly nodeRequirements: readonly NodeRequirement[];
  readonly tolerations: readonly TolerationSettings[];
  readonly spread: readonly SpreadRule[];
  /** What devices are called, by resource: `GPU of type h100`. */
  readonly words: Readonly<Record<string, string>>;
}

/** A topology spread constraint that keeps pods from being placed (`whenUnsatisfiable: DoNotSchedule`). */
export interface SpreadRule {
  readonly topologyKey: string;
  readonly maxSkew: number;
  /** Pods of the same namespace that carry all of these are counted. */
  readonly labels: Labels;
}

export interface Pod extends PodShape {
  readonly name: string;
  /** In words for people: `shop/production/ranker`, or namespace and name of what is not ours. */
  readonly owner: string;
  /** Null: it waits for a place. */
  readonly node: string | null;
  /** It goes with its node and never makes room: a daemon. */
  readonly isFixed: boolean;
  /** When it is to have ended, in ms since 1970; absent for one that nobody has told to stop. */
  readonly leavesAtMs?: number;
}

export interface Quota {
  readonly namespace: string;
  readonly name: string;
  /** By the quota's own names: `requests.nvidia.com/gpu`, `limits.memory`, `pods`. */
  readonly hard: Amounts;
  readonly used: Amounts;
}

/** The most that one container of the namespace may ask for. */
export interface LimitRange {
  readonly namespace: string;
  readonly name: string;
  readonly max: Amounts;
}
