import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { Ingress } from "@pulumi/kubernetes/networking/v1/ingress.js";
import type { IngressSettings } from "../../src/spec/ingress-settings.ts";
import {
  authorizePath,
  beginSignInPath,
  credentialHeaders,
  foreignIdentityHeaders,
  identityHeaders,
} from "../../src/targets/authorization.ts";
import { serverService } from "../../src/targets/kubernetes/place.ts";
import type { Door, Making } from "./entrance.ts";
import { serverAddress } from "./server.ts";

type Settings = Extract<IngressSettings, { kind: "ingress" }>;
type Annotations = Readonly<Record<string, string>>;

// Whether it is reached is asked by a request; many controllers publish no address.
const notAwaited: Annotations = { "pulumi.com/skipAwait": "true" };

/** An Ingress for a host name; Waybill's own paths are another one, because its annotations are for all of its paths. */
export function makeIngress(door: Door, settings: Settings, making: Making): void {
  const { host, to } = door;
  const server = { service: serverService, port: serverAddress(settings.serverUrl).port };
  const make = (name: string, path: string, { backend, annotations, after = making }: Way): Ingress =>
    new Ingress(name, ingressOf(door, settings, { name, path, backend, annotations }), after);
  if (to === null) {
    make(host, "/", { backend: server, annotations: certificateOf(settings) });
    return;
  }
  const own = make(`${host}--waybill`, "/.waybill", { backend: server, annotations: {} });
  // Nothing leads to the pods before what protects them is there.
  const guard = settings.controller === "traefik" ? [makeForwardAuth(door, settings, making)] : [];
  const spoken = to.protocol === "grpc" && settings.controller === "nginx" ? spokenAsGrpc : {};
  const annotations = { ...certificateOf(settings), ...askingOf(door, settings), ...spoken };
  const after = { ...making, dependsOn: [...making.dependsOn, own, ...guard] };
  make(host, "/", { backend: to, annotations, after });
}

// https://kubernetes.github.io/ingress-nginx/examples/grpc/
const spokenAsGrpc: Annotations = { "nginx.ingress.kubernetes.io/backend-protocol": "GRPC" };

interface Way {
  readonly backend: { readonly service: string; readonly port: number };
  readonly annotations: Annotations;
  readonly after?: Making;
}

function ingressOf(
  { host, hostname, namespace, labels }: Door,
  { className, tls, annotations: added }: Settings,
  { name, path, backend, annotations }: { name: string; path: string } & Pick<Way, "backend" | "annotations">,
) {
  const service = { name: backend.service, port: { number: backend.port } };
  const secretName = tls?.secretName ?? (tls && Object.keys(tls).length > 0 ? `${host}-tls` : undefined);
  return {
    metadata: { name, namespace, labels: { ...labels }, annotations: { ...added, ...notAwaited, ...annotations } },
    spec: {
      ...(className !== undefined && { ingressClassName: className }),
      rules: [{ host: hostname, http: { paths: [{ path, pathType: pathTypeOf(path), backend: { service } }] } }],
      ...(tls && { tls: [{ hosts: [hostname], ...(secretName !== undefined && { secretName }) }] }),
    },
  };
}

// ingress-nginx refuses a dot in other types of path by its strict-validate-path-type. Both controllers take a prefix.
const pathTypeOf = (path: string): string => (path.includes(".") ? "ImplementationSpecific" : "Prefix");

/** https://cert-manager.io/docs/usage/ingress/#supported-annotations; of one Ingress of a host, or two would quarrel. */
function certificateOf({ tls }: Settings): Annotations {
  if (tls?.issuer !== undefined) return { "cert-manager.io/issuer": tls.issuer };
  if (tls?.clusterIssuer !== undefined) return { "cert-manager.io/cluster-issuer": tls.clusterIssuer };
  return {};
}

const written = [...identityHeaders, ...credentialHeaders, ...foreignIdentityHeaders];

function askingOf({ host, url, namespace }: Door, { controller, serverUrl }: Settings): Annotations {
  if (controller === "traefik") {
    // https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/ingress/
    return { "traefik.ingress.kubernetes.io/router.middlewares": `${namespace}-${guardName(host)}@kubernetescrd` };
  }
  // https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#external-authentication
  return {
    "nginx.ingress.kubernetes.io/auth-url": serverUrl + authorizePath("nginx", host),
    "nginx.ingress.kubernetes.io/auth-signin": url + beginSignInPath,
    "nginx.ingress.kubernetes.io/auth-response-headers": written.join(","),
  };
}

/** Of what asks Waybill about the requests to a host. */
export const guardName = (host: string): string => `${host}--authorize`;

/** https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/forwardauth/ */
export function makeForwardAuth(
  { host, namespace, labels }: Door,
  { serverUrl }: Pick<IngressSettings, "serverUrl">,
  making: Making,
): CustomResource {
  const forwardAuth = {
    address: serverUrl + authorizePath("traefik", host),
    trustForwardHeader: false,
    authResponseHeaders: written,
    // As CGI reads them, every other character is a dash: X_Waybill_User says the same to some programs.
    authResponseHeadersRegex: "(?i)^x[^a-z0-9]waybill([^a-z0-9]|$)",
  };
  return new CustomResource(
    guardName(host),
    {
      apiVersion: "traefik.io/v1alpha1",
      kind: "Middleware",
      metadata: { name: guardName(host), namespace, labels: { ...labels } },
      spec: { forwardAuth },
    },
    making,
  );
}
