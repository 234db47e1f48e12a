import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import type { Place } from "../../src/targets/kubernetes/place.ts";
import { makeRoutes, restingReason, type Outputs, type WorkloadOf } from "../local/parts.ts";
import { componentsProgram } from "./components.ts";
import { makeDoors } from "./entrance.ts";
import { clusterProvider, metadataOf } from "./parts.ts";
import { servicePortsOf } from "./pod.ts";
import { makeDeployment, selectorOf } from "./workload.ts";

type Workload = WorkloadOf<"service">;

/** Pods behind one or more host names. */
export function program(workload: Workload, place: Place): () => Promise<Outputs> {
  return () => {
    const reason = restingReason(workload);
    if (reason === null) return Promise.resolve((place.components ? componentsProgram : running)(workload, place));
    makeRoutes(workload, workload.spec.routes, () => ({ kind: "none", reason }));
    return Promise.resolve({ reason });
  };
}

function running(workload: Workload, place: Place): Outputs {
  const { spec } = workload;
  const { namespace } = place;
  const provider = clusterProvider(place);
  const deployment = makeDeployment(workload, place, { provider });
  const service = new Service(
    spec.name,
    {
      // Its EndpointSlices have its labels as well: they say whose pods these are, which gateways go by.
      metadata: metadataOf(workload, place, spec.name),
      spec: {
        selector: selectorOf(workload, place),
        ports: servicePortsOf(spec),
      },
    },
    // Moved over once the new pods answer.
    { provider, dependsOn: deployment },
  );
  makeDoors(workload, place, { serviceOf: () => spec.name, dependsOn: service });
  return { namespace, service: service.metadata.name };
}
