import type { CustomResourceOptions } from "@pulumi/pulumi";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { HorizontalPodAutoscaler } from "@pulumi/kubernetes/autoscaling/v2/horizontalPodAutoscaler.js";
import { PodDisruptionBudget } from "@pulumi/kubernetes/policy/v1/podDisruptionBudget.js";
import { componentName, deploymentLabels, labels, serverLabel } from "../../src/targets/kubernetes/names.ts";
import type { Place } from "../../src/targets/kubernetes/place.ts";
import {
  componentLabel,
  makeInputs,
  metadataOf,
  namesOf,
  podLabels,
  revisionName,
  type Making,
  type Running,
} from "./parts.ts";
import { podSpec } from "./pod.ts";
import { workerSettlesSeconds } from "../../src/targets/workload.ts";
import type { Provider } from "@pulumi/kubernetes/provider.js";

/**
 * A component that is ready is called by others at its Service, which every node leads to it about a second later:
 * kube-proxy gathers changes for so long.
 */
const knownSeconds = 2;
const workerStartSeconds = 60;
// Beyond the program's own time: pulling an image and fetching a source.
const placementSeconds = 300;

// An apply is not to wait until the last request at the old revision is answered.
const gone = { "pulumi.com/deletionPropagationPolicy": "background" };

/** One revision: a Deployment of its own, so that the one before it stays as it is until this one answers. */
export function makeDeployment(workload: Running, place: Place, making: Making): Deployment {
  const { provider, aliases = [] } = making;
  const { spec } = workload;
  const name = revisionName(workload, place);
  const inputs = makeInputs(workload, place, making);
  const metadata = metadataOf(workload, place, name);
  const selector = selectorOf(workload, place);
  const isScaled = isAutoscaled(spec.replicas);
  const options: CustomResourceOptions = {
    provider,
    dependsOn: [inputs.secret, inputs.files, inputs.source, inputs.made].filter((input) => input !== null),
    // The autoscaler's to say, once it is there.
    ...(isScaled && { ignoreChanges: ["spec.replicas"] }),
  };
  const startSeconds = spec.kind === "service" ? spec.health.startTimeoutSeconds : workerStartSeconds;
  const deployment = new Deployment(
    name,
    {
      metadata: { ...metadata, annotations: { ...gone } },
      spec: {
        replicas: place.replicas,
        revisionHistoryLimit: 0,
        minReadySeconds: settlesSeconds(workload, place),
        progressDeadlineSeconds: Math.ceil(startSeconds) + placementSeconds,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
        selector: { matchLabels: selector },
        template: {
          metadata: { labels: podLabels(workload, place) },
          // Also of one replica: another number of them must not make other pods.
          spec: { ...podSpec({ workload, place, inputs: namesOf(inputs), aliases }), ...spread(selector) },
        },
      },
    },
    options,
  );
  if (isScaled) makeAutoscaler(workload, place, { provider, dependsOn: deployment });
  if (spec.replicas.min > 1) makeBudget(workload, place, provider);
  return deployment;
}

/** From when its pods are ready: those of a worker are as soon as they run. */
function settlesSeconds({ spec }: Running, { component }: Place): number {
  if (spec.kind === "worker") return workerSettlesSeconds;
  return component === undefined ? 0 : knownSeconds;
}

/** Which pods are this revision's. */
export const selectorOf = ({ stack }: Running, place: Place): Record<string, string> => ({
  [labels.deployment]: stack.deployment,
  [labels.revision]: place.revision,
  ...componentLabel(place),
});

const isAutoscaled = ({ max, targetCpu }: Running["spec"]["replicas"]): boolean => max > 1 && targetCpu !== null;

/** Over machines and zones as far as they go round, never at the price of not running. */
function spread(matchLabels: Record<string, string>) {
  return {
    topologySpreadConstraints: ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
      maxSkew: 1,
      topologyKey,
      whenUnsatisfiable: "ScheduleAnyway",
      labelSelector: { matchLabels },
    })),
  };
}

function makeAutoscaler(workload: Running, place: Place, options: CustomResourceOptions) {
  const { min, max, targetCpu } = workload.spec.replicas;
  const name = revisionName(workload, place);
  return new HorizontalPodAutoscaler(
    name,
    {
      metadata: metadataOf(workload, place, name),
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
        minReplicas: Math.max(1, min),
        maxReplicas: max,
        metrics: [
          {
            type: "Resource",
            resource: { name: "cpu", target: { type: "Utilization", averageUtilization: targetCpu ?? 80 } },
          },
        ],
      },
    },
    options,
  );
}

/** When machines are emptied, one replica at a time. Of all revisions together: its name stays. */
function makeBudget({ stack }: Running, place: Place, provider: Provider) {
  const { namespace, component, server } = place;
  const own = componentLabel(place);
  const name = component === undefined ? stack.deployment : componentName(stack.deployment, component);
  return new PodDisruptionBudget(
    name,
    {
      metadata: { name, namespace, labels: { ...deploymentLabels(stack), ...serverLabel(server), ...own } },
      spec: { maxUnavailable: 1, selector: { matchLabels: { [labels.deployment]: stack.deployment, ...own } } },
    },
    { provider },
  );
}
