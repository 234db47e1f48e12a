import type { Resource } from "@pulumi/pulumi";
import type { Provider } from "@pulumi/kubernetes/provider.js";
import { deploymentLabels } from "../../src/targets/kubernetes/names.ts";
import type { EntrancePlace, Place } from "../../src/targets/kubernetes/place.ts";
import { hostsOf, idleOf, type WorkloadOf } from "../local/parts.ts";
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
  readonly to: { readonly service: string; readonly port: number } | null;
}

/** How its objects are made: in which cluster, and after what. */
export interface Making {
  readonly provider: Provider;
  readonly dependsOn: Resource[];
}

/**
 * Leads the cluster's own entrance to the Service, once for each host name, with Waybill as what it asks. What may sleep
 * is reached through the gateway, which alone knows whether requests are under way, and holds them while it wakes.
 */
export function makeEntrance(
  workload: WorkloadOf<"service">,
  place: Place,
  { entrance, after }: { readonly entrance: EntrancePlace; readonly after: readonly Resource[] },
): void {
  const { settings } = entrance;
  const making: Making = { provider: clusterProvider(place), dependsOn: [...after] };
  for (const door of doorsOf(workload, place.namespace, entrance)) {
    if (settings.kind === "ingress") makeIngress(door, settings, making);
    else makeRoute(door, settings, making);
  }
}

function doorsOf(
  workload: WorkloadOf<"service">,
  namespace: string,
  { scheme, domain }: EntrancePlace,
): readonly Door[] {
  const { spec, stack } = workload;
  const sleeps = "idle" in idleOf(workload);
  const labels = deploymentLabels(stack);
  return hostsOf(workload, spec.routes).map(({ host, route: { port } }) => {
    const url = `${scheme}://${host}.${domain}`;
    const to = sleeps ? null : { service: spec.name, port };
    return { host, hostname: new URL(url).hostname, url, namespace, labels, to };
  });
}
