import type { StackName } from "../../../core/stack.ts";
import type { GpuSpec } from "../../../spec/context.ts";
import type { Rollout } from "../../../spec/deployment.ts";
import { amountsOf } from "../capacity/amounts.ts";
import type { PodShape } from "../capacity/capacity.ts";
import { deploymentLabels, labels } from "../names.ts";
import { gpuWords, type PodResources } from "../sizes.ts";

/** What is known of a workload's pods before they are there. */
export interface Outline {
  readonly stack: StackName;
  readonly namespace: string;
  readonly revision: string;
  /** Its components; one for a deployment of a single part. */
  readonly parts: readonly OutlinePart[];
  readonly rollout: Rollout | null;
  /** How long it may take until the first answer. */
  readonly startSeconds: number;
}

/** Pods that are alike. */
export interface OutlinePart {
  /** Null: of a deployment of a single part. */
  readonly component: string | null;
  readonly replicas: number;
  readonly resources: PodResources;
  readonly gpu: GpuSpec | null;
}

export const revisionOfPod = (pod: Pick<PodShape, "labels">): string => pod.labels[labels.revision] ?? "";

/** One of a part's pods. Where the template spreads them, it does so only as far as there is room. */
export function shapeOf({ stack, namespace, revision }: Outline, { component, resources, gpu }: OutlinePart): PodShape {
  const { requests, limits, nodeRequirements, tolerations } = resources;
  const device = Object.keys(limits).find((resource) => resource.includes("/"));
  return {
    namespace,
    labels: {
      ...deploymentLabels(stack),
      [labels.revision]: revision,
      ...(component !== null && { [labels.component]: component }),
    },
    ...(component !== null && { component }),
    requests: { ...amountsOf(requests), pods: 1 },
    limits: amountsOf(limits),
    nodeRequirements,
    tolerations,
    spread: [],
    words: gpu && device !== undefined ? { [device]: gpuWords(gpu) } : {},
  };
}

/** The pods of the revision that are not among these: so many of each part as it has replicas. */
export function missingOf(outline: Outline, pods: readonly Pick<PodShape, "labels">[]): readonly PodShape[] {
  const own = pods.filter((pod) => revisionOfPod(pod) === outline.revision);
  return outline.parts.flatMap((part) => {
    const there = own.filter((pod) => (pod.labels[labels.component] ?? null) === part.component).length;
    return Array.from({ length: Math.max(0, part.replicas - there) }, () => shapeOf(outline, part));
  });
}
