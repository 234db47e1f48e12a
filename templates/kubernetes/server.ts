import type { CustomResource, CustomResourceOptions } from "@pulumi/pulumi";
import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import { EndpointSlice } from "@pulumi/kubernetes/discovery/v1/endpointSlice.js";
import { serverService } from "../../src/targets/kubernetes/place.ts";

type Metadata = (name: string) => { name: string; namespace: string; labels: Record<string, string> };

const ipv4 = /^\d+(?:\.\d+){3}$/;

/** Waybill as a Service of the environment: an entrance leads requests only to what is in their own namespace. */
export function makeServer(
  serverUrl: string,
  metadata: Metadata,
  options: CustomResourceOptions,
): readonly CustomResource[] {
  const { hostname, port } = serverAddress(serverUrl);
  const ports = [{ name: "http", port, targetPort: port, protocol: "TCP" }];
  const own = metadata(serverService);
  if (!ipv4.test(hostname)) {
    const spec = { type: "ExternalName", externalName: hostname, ports };
    return [new Service(serverService, { metadata: own, spec }, options)];
  }
  const service = new Service(serverService, { metadata: own, spec: { ports } }, options);
  const slice = new EndpointSlice(
    serverService,
    {
      // https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors
      metadata: {
        ...own,
        labels: {
          ...own.labels,
          "kubernetes.io/service-name": serverService,
          "endpointslice.kubernetes.io/managed-by": "waybill",
        },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: [hostname], conditions: { ready: true } }],
      ports: [{ name: "http", port, protocol: "TCP" }],
    },
    { ...options, dependsOn: service },
  );
  return [service, slice];
}

export function serverAddress(serverUrl: string): { readonly hostname: string; readonly port: number } {
  const { hostname, port } = new URL(serverUrl);
  return { hostname, port: port === "" ? 80 : Number(port) };
}
