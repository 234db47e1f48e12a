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
  readonly replicas: number;
  readonly resources: PodResources;
  readonly gpu: GpuSpec | null;
  readonly rollout: Rollout | null;
  /** How long it may take until the first answer. */
  readonly startSeconds: number;
}

export const revisionOfPod = (pod: Pick<PodShape, "labels">): string => pod.labels[labels.revision] ?? "";

/** One of its pods. All are alike; where the template spreads them, it does so only as far as there is room. */
export function shapeOf({ stack, namespace, revision, resources, gpu }: Outline): PodShape {
  const { requests, limits, nodeRequirements, tolerations } = resources;
  const device = Object.keys(limits).find((resource) => resource.includes("/"));
  return {
    namespace,
    labels: { ...deploymentLabels(stack), [labels.revision]: revision },
    requests: { ...amountsOf(requests), pods: 1 },
    limits: amountsOf(limits),
    nodeRequirements,
    tolerations,
    spread: [],
    words: gpu && device !== undefined ? { [device]: gpuWords(gpu) } : {},
  };
}
