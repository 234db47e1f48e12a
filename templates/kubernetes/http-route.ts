import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import type { IngressSettings } from "../../src/spec/ingress-settings.ts";
import {
  authorizePath,
  credentialHeaders,
  foreignIdentityHeaders,
  identityHeaders,
  judgedHeaders,
} from "../../src/targets/authorization.ts";
import { serverService } from "../../src/targets/kubernetes/place.ts";
import type { Door, Making } from "./entrance.ts";
import { guardName, makeForwardAuth } from "./ingress.ts";
import { serverAddress } from "./server.ts";

type Settings = Extract<IngressSettings, { kind: "gateway-api" }>;
type Filter = Readonly<Record<string, unknown>>;
type Backend = Readonly<Record<string, unknown>> & { readonly name: string; readonly port: number };

const group = "gateway.networking.k8s.io";

/** An HTTPRoute for a host name, and one for Waybill's own paths on it, which nobody is asked for. */
export function makeRoute(door: Door, settings: Settings, making: Making): void {
  const { host, to } = door;
  const server = serverBackend(settings);
  if (to === null) {
    routeOf(door, settings, { name: host, path: "/", backend: server, filters: [] }, making);
    return;
  }
  const name = `${host}--waybill`;
  const own = routeOf(door, settings, { name, path: "/.waybill", backend: server, filters: [] }, making);
  const { filter, guard } = guardOf(door, settings, making);
  routeOf(
    door,
    settings,
    { name: host, path: "/", backend: { name: to.service, port: to.port }, filters: [unheard, ...filter] },
    // Nothing leads to the pods before what protects them is there.
    { ...making, dependsOn: [...making.dependsOn, own, ...guard] },
  );
}

// An answer takes no header of a visitor away here: those that it always has are written over.
const unheard: Filter = {
  type: "RequestHeaderModifier",
  requestHeaderModifier: { remove: [...foreignIdentityHeaders] },
};

interface Way {
  readonly name: string;
  readonly path: string;
  readonly backend: Backend;
  readonly filters: readonly Filter[];
}

function routeOf(
  { hostname, namespace, labels }: Door,
  { parent, annotations }: Settings,
  { name, path, backend, filters }: Way,
  making: Making,
): CustomResource {
  return new CustomResource(
    name,
    {
      apiVersion: `${group}/v1`,
      kind: "HTTPRoute",
      metadata: { name, namespace, labels: { ...labels }, annotations: { ...annotations } },
      spec: {
        parentRefs: [{ group, kind: "Gateway", ...parent }],
        hostnames: [hostname],
        rules: [
          {
            matches: [{ path: { type: "PathPrefix", value: path } }],
            ...(filters.length > 0 && { filters }),
            backendRefs: [{ group: "", kind: "Service", weight: 1, ...backend }],
          },
        ],
      },
    },
    making,
  );
}

const clusterService = /^(?<name>[a-z0-9-]+)\.(?<namespace>[a-z0-9-]+)\.svc(?:\.|$)/;

/** Where Waybill is a Service of the cluster, that one: its namespace grants it by a ReferenceGrant. */
function serverBackend({ serverUrl }: Settings): Backend {
  const { hostname, port } = serverAddress(serverUrl);
  const { name, namespace } = clusterService.exec(hostname)?.groups ?? {};
  return name === undefined ? { name: serverService, port } : { name, namespace, port };
}

interface Guard {
  readonly filter: readonly Filter[];
  readonly guard: readonly CustomResource[];
}

const handedOn = [...identityHeaders, ...credentialHeaders].map((name) => name.toLowerCase());

function guardOf(door: Door, settings: Settings, making: Making): Guard {
  const { host } = door;
  const backend = serverBackend(settings);
  switch (settings.controller) {
    case "traefik": {
      const guard = makeForwardAuth(door, settings, making);
      const extensionRef = { group: "traefik.io", kind: "Middleware", name: guardName(host) };
      return { filter: [{ type: "ExtensionRef", extensionRef }], guard: [guard] };
    }
    case "envoy-gateway":
      return { filter: [], guard: [makePolicy(door, backend, making)] };
    case "external-auth": {
      // https://gateway-api.sigs.k8s.io/geps/gep-1494/
      const http = {
        path: authorizePath("envoy", host),
        allowedHeaders: [...judgedHeaders],
        allowedResponseHeaders: handedOn,
      };
      return {
        filter: [{ type: "ExternalAuth", externalAuth: { protocol: "HTTP", backendRef: backend, http } }],
        guard: [],
      };
    }
    default:
      return settings.controller satisfies never;
  }
}

/** https://gateway.envoyproxy.io/docs/api/extension_types/#extauth */
function makePolicy({ host, namespace, labels }: Door, backend: Backend, making: Making): CustomResource {
  const name = guardName(host);
  return new CustomResource(
    name,
    {
      apiVersion: "gateway.envoyproxy.io/v1alpha1",
      kind: "SecurityPolicy",
      metadata: { name, namespace, labels: { ...labels } },
      spec: {
        targetRefs: [{ group, kind: "HTTPRoute", name: host }],
        extAuth: {
          failOpen: false,
          headersToExtAuth: [...judgedHeaders],
          http: { backendRefs: [backend], path: authorizePath("envoy", host), headersToBackend: handedOn },
        },
      },
    },
    making,
  );
}
