import type { Resource } from "@pulumi/pulumi";
import type { Provider } from "@pulumi/kubernetes/provider.js";
import { deploymentLabels, serverLabel } from "../../src/targets/kubernetes/names.ts";
import type { EntrancePlace, Place } from "../../src/targets/kubernetes/place.ts";
import { hostsOf, idleOf, makeRoutes, type WorkloadOf } from "../local/parts.ts";
import { makeRoute } from "./http-route.ts";
import { makeIngress } from "./ingress.ts";
import { clusterProvider } from "./parts.ts";

/** One host name of a deployment, as an entrance of the cluster is to serve it. */
export interface Door {
  /** Its first label. */
  readonly host: string;
  readonly hostname: string;
  readonly url: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The Service that requests go to; null where they go to Waybill, which sends them on. */
  readonly to: { readonly service: string; readonly port: number; readonly protocol: "http" | "grpc" } | null;
}

/** How its objects are made: in which cluster, and after what. */
export interface Making {
  readonly provider: Provider;
  readonly dependsOn: Resource[];
}

type Workload = WorkloadOf<"service">;
type Route = Workload["spec"]["routes"][number];

/** Which Service each route leads to, and what must be there before. */
interface Behind {
  readonly serviceOf: (route: Route) => string;
  readonly dependsOn: Resource;
}

/**
 * Leads each host name to its Service: in the gateway, and where the cluster has an entrance of its own in that as well.
 * It asks Waybill, which answers by the route: that is there first.
 */
export function makeDoors(workload: Workload, place: Place, { serviceOf, dependsOn }: Behind): void {
  const { target, server, namespace, revision, entrance, withdrawn } = place;
  const routes = makeRoutes(
    workload,
    workload.spec.routes,
    (route) =>
      withdrawn === undefined
        ? {
            kind: "pods",
            target,
            namespace,
            service: serviceOf(route),
            port: route.port,
            protocol: route.protocol,
            revision,
          }
        : { kind: "none", reason: withdrawn },
    { dependsOn },
  );
  if (entrance === undefined || withdrawn !== undefined) return;
  const { settings } = entrance;
  const making: Making = { provider: clusterProvider(place), dependsOn: [dependsOn, ...routes] };
  for (const door of doorsOf(workload, { namespace, server, entrance, serviceOf })) {
    if (settings.kind === "ingress") makeIngress(door, settings, making);
    else makeRoute(door, settings, making);
  }
}

interface Leading {
  readonly namespace: string;
  readonly server: string;
  readonly entrance: EntrancePlace;
  readonly serviceOf: (route: Route) => string;
}

/** What may sleep is reached through the gateway: only it knows what is under way, and holds requests while it wakes. */
function doorsOf(workload: Workload, { namespace, server, entrance, serviceOf }: Leading): readonly Door[] {
  const { scheme, domain } = entrance;
  const sleeps = "idle" in idleOf(workload);
  const labels = { ...deploymentLabels(workload.stack), ...serverLabel(server) };
  return hostsOf(workload, workload.spec.routes).map(({ host, route }) => {
    const url = `${scheme}://${host}.${domain}`;
    const to = sleeps ? null : { service: serviceOf(route), port: route.port, protocol: route.protocol };
    return { host, hostname: new URL(url).hostname, url, namespace, labels, to };
  });
}
