import { stackKey } from "../../../core/stack.ts";
import type { TolerationSettings } from "../../../spec/server-settings.ts";
import type { KubeObject } from "../cluster/object.ts";
import { labels, manager, stackOf } from "../names.ts";
import type { NodeRequirement } from "../sizes.ts";
import { addAmounts, amountsOf, largerAmounts } from "./amounts.ts";
import type { Amounts, LimitRange, NodeCapacity, Pod, Quota, Taint } from "./capacity.ts";

/** What is read of each kind: https://kubernetes.io/docs/reference/kubernetes-api/ */
export interface NodeObject extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean; readonly taints?: readonly Taint[] };
  readonly status?: {
    readonly allocatable?: QuantityMap;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

export interface PodObject extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string;
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly affinity?: { readonly nodeAffinity?: NodeAffinity };
    readonly tolerations?: readonly TolerationSettings[];
    readonly containers?: readonly ContainerResources[];
    readonly initContainers?: readonly ContainerResources[];
    readonly overhead?: QuantityMap;
  };
  readonly status?: { readonly phase?: string };
}

export interface QuotaObject extends KubeObject {
  readonly spec?: { readonly scopes?: readonly string[]; readonly scopeSelector?: unknown };
  readonly status?: { readonly hard?: QuantityMap; readonly used?: QuantityMap };
}

export interface LimitRangeObject extends KubeObject {
  readonly spec?: { readonly limits?: readonly { readonly type: string; readonly max?: QuantityMap }[] };
}

type QuantityMap = Readonly<Record<string, string>>;

interface ContainerResources {
  readonly restartPolicy?: string;
  readonly resources?: { readonly requests?: QuantityMap; readonly limits?: QuantityMap };
}

interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: {
    readonly nodeSelectorTerms?: readonly { readonly matchExpressions?: readonly Expression[] }[];
  };
}

interface Expression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

export function nodeOf({ metadata, spec, status }: NodeObject): NodeCapacity {
  return {
    name: metadata.name,
    allocatable: amountsOf(status?.allocatable),
    labels: metadata.labels ?? {},
    // The controllers' own mirror of what the node's condition and cordon say.
    taints: (spec?.taints ?? []).filter(({ key }) => !key.startsWith("node.kubernetes.io/")),
    isReady: status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") ?? false,
    isUnschedulable: spec?.unschedulable ?? false,
  };
}

const ended = new Set(["Succeeded", "Failed"]);

/** Null for one that has ended: it holds nothing. */
export function podOf({ metadata, spec, status }: PodObject): Pod | null {
  if (ended.has(status?.phase ?? "")) return null;
  const owned = metadata.labels ?? {};
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? "",
    owner: ownerOf(metadata),
    node: spec?.nodeName ?? null,
    isFixed: isDaemon(metadata),
    ...(metadata.deletionTimestamp !== undefined && { leavesAtMs: Date.parse(metadata.deletionTimestamp) }),
    labels: owned,
    requests: { ...effective(spec, "requests"), pods: 1 },
    limits: effective(spec, "limits"),
    nodeRequirements: requirementsOf(spec),
    tolerations: spec?.tolerations ?? [],
    // Of a pod that waits for a place this is left out: it is taken to be placed more easily than it may be.
    spread: [],
    words: {},
  };
}

function ownerOf({ name, namespace = "", labels: found, ownerReferences = [] }: KubeObject["metadata"]): string {
  const stack = found?.[labels.manager] === manager ? stackOf(found) : null;
  if (stack) return stackKey(stack);
  return `${namespace}/${ownerReferences[0]?.name ?? name}`;
}

const isDaemon = ({ ownerReferences = [] }: KubeObject["metadata"]): boolean =>
  ownerReferences.some(({ kind }) => kind === "DaemonSet" || kind === "Node");

/**
 * Init containers run one by one before the others, those that restart run on beside them:
 * https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
 */
function effective(spec: PodObject["spec"], which: "requests" | "limits"): Amounts {
  const of = ({ resources }: ContainerResources): Amounts => amountsOf(resources?.[which]);
  let together: Amounts = {};
  let atOnce: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    const beside = addAmounts(together, of(container));
    atOnce = largerAmounts(atOnce, beside);
    if (container.restartPolicy === "Always") together = beside;
  }
  for (const container of spec?.containers ?? []) together = addAmounts(together, of(container));
  return addAmounts(largerAmounts(atOnce, together), which === "requests" ? amountsOf(spec?.overhead) : {});
}

function requirementsOf(spec: PodObject["spec"]): readonly NodeRequirement[] {
  const selector = Object.entries(spec?.nodeSelector ?? {}).map(([key, value]) => ({ key, values: [value] }));
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  // Several terms are alternatives: none of them is required.
  const expressions = terms.length === 1 ? (terms[0]?.matchExpressions ?? []) : [];
  const required = expressions.filter(({ operator }) => operator === "In");
  return [...selector, ...required.map(({ key, values = [] }) => ({ key, values }))];
}

/** Null for one of certain pods only, such as those of a priority: ours are not meant to be among them. */
export function quotaOf({ metadata, spec, status }: QuotaObject): Quota | null {
  if ((spec?.scopes ?? []).length > 0 || spec?.scopeSelector !== undefined) return null;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    hard: amountsOf(status?.hard),
    used: amountsOf(status?.used),
  };
}

export function limitRangeOf({ metadata, spec }: LimitRangeObject): LimitRange {
  const maxima = (spec?.limits ?? []).filter(({ type }) => type === "Container").map(({ max }) => amountsOf(max));
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    max: maxima.reduce((all, each) => ({ ...all, ...each }), {}),
  };
}
