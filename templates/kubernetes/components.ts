import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import type { Provider } from "@pulumi/kubernetes/provider.js";
import type { Output } from "@pulumi/pulumi";
import { componentsOf } from "../../src/targets/kubernetes/components.ts";
import type { Place } from "../../src/targets/kubernetes/place.ts";
import { labels } from "../../src/targets/kubernetes/names.ts";
import { leavesWithPods } from "../../src/targets/kubernetes/provider/annotations.ts";
import type { Outputs, WorkloadOf } from "../local/parts.ts";
import { makeDoors } from "./entrance.ts";
import { clusterProvider, metadataOf, revisionName, type Running } from "./parts.ts";
import { servicePortsOf } from "./pod.ts";
import type { Source } from "./resources.ts";
import { makeDeployment, selectorOf } from "./workload.ts";

type Workload = WorkloadOf<"service">;

/** A host name that a revision's pods know, and where it leads. */
export interface Alias {
  readonly ip: Output<string>;
  readonly hostnames: string[];
}

// There is nothing to wait for: its pods come after it.
const unawaited = { "pulumi.com/skipAwait": "true" };

/**
 * Several Deployments that are one revision. Each revision has Services of its own, whose addresses its pods have under
 * the components' names: no revision ever calls into another. All are ready before any request is led to them.
 */
export function componentsProgram(workload: Workload, place: Place): Outputs {
  const { spec } = workload;
  const { namespace } = place;
  const provider = clusterProvider(place);
  const parts = [...componentsOf(workload)].flatMap(([name, part]) => {
    const own = place.components?.[name];
    return own ? [{ name, part, place: own }] : [];
  });
  const services = new Map(
    parts.flatMap(({ name, part, place: own }) => {
      const service = makeService(part, own, provider);
      return service ? [[name, service] as const] : [];
    }),
  );
  const aliases = [...services].map(([name, { spec: made }]): Alias => ({ ip: made.clusterIP, hostnames: [name] }));
  const sources = new Map<string, Source>();
  const deployments = parts.map(({ part, place: own }) => makeDeployment(part, own, { provider, aliases, sources }));
  const main = parts.find(({ name }) => name === spec.main);
  if (!main) return {};
  const front = new Service(
    spec.name,
    {
      metadata: metadataOf(workload, place, spec.name),
      spec: { selector: selectorOf(main.part, main.place), ports: namedPorts(main.part) },
    },
    { provider, dependsOn: deployments },
  );
  makeDoors(workload, place, {
    serviceOf({ component }) {
      const part = parts.find(({ name }) => name === component);
      return part === undefined || part === main ? spec.name : revisionName(part.part, part.place);
    },
    dependsOn: front,
  });
  return { namespace, service: front.metadata.name };
}

/** All of the revision's pods, as a selector. */
const podsOf = (part: Running, place: Place): string => {
  const { [labels.component]: _, ...own } = selectorOf(part, place);
  return Object.entries(own)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
};

function namedPorts({ spec }: Running) {
  if (spec.kind === "worker") return [];
  return servicePortsOf(spec);
}

/** By http://NAME, and by its ports; null for what nobody calls. */
function makeService(part: Running, place: Place, provider: Provider): Service | null {
  const { spec } = part;
  if (spec.kind === "worker") return null;
  const name = revisionName(part, place);
  const metadata = metadataOf(part, place, name);
  const plain = { name: "http", port: 80, targetPort: spec.port, protocol: "TCP" };
  const ports = namedPorts(part).filter(({ port }) => port !== plain.port);
  return new Service(
    name,
    {
      // The old pods go on calling each other until the last of their requests is answered.
      metadata: { ...metadata, annotations: { ...unawaited, [leavesWithPods]: podsOf(part, place) } },
      spec: { selector: selectorOf(part, place), ports: [plain, ...ports] },
    },
    { provider },
  );
}
