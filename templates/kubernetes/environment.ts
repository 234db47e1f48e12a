import * as pulumi from "@pulumi/pulumi";
import { LimitRange } from "@pulumi/kubernetes/core/v1/limitRange.js";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { ResourceQuota } from "@pulumi/kubernetes/core/v1/resourceQuota.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1/serviceAccount.js";
import type { input } from "@pulumi/kubernetes/types/index.js";
import { NetworkPolicy } from "@pulumi/kubernetes/networking/v1/networkPolicy.js";
import { environmentLabels, serverLabel } from "../../src/targets/kubernetes/names.ts";
import {
  pullSecretName,
  serviceAccount,
  type EnvironmentPlace,
  type Peer,
} from "../../src/targets/kubernetes/place.ts";
import { clusterProvider } from "./parts.ts";
import { makeServer } from "./server.ts";

/** What all deployments of an environment stand on: a namespace of their own, closed to all but the gateway. */
export function program(place: EnvironmentPlace): () => Promise<Record<string, unknown>> {
  return () => {
    const { namespace } = place;
    const provider = clusterProvider(place);
    const labels = { ...environmentLabels(place), ...serverLabel(place.server) };
    const space = new Namespace(
      namespace,
      { metadata: { name: namespace, labels: { ...labels, ...podSecurity } } },
      { provider },
    );
    const within = { provider, dependsOn: space };
    const metadata = (name: string) => ({ name, namespace, labels });
    makeLimits(place, metadata, within);
    makePolicies(place, metadata, within);
    makeAccount(place, metadata, within);
    if (place.entrance) makeServer(place.entrance.serverUrl, metadata, within);
    return Promise.resolve({ namespace: space.metadata.name });
  };
}

// https://kubernetes.io/docs/concepts/security/pod-security-standards/
const podSecurity = {
  "pod-security.kubernetes.io/enforce": "restricted",
  "pod-security.kubernetes.io/warn": "restricted",
};

/**
 * For containers that others put into the namespace: Waybill's own say what they need. A limit of CPU would be set on those
 * too, which have none, and refuse each that asks for more.
 */
const containerDefaults = {
  type: "Container",
  default: { memory: "512Mi" },
  defaultRequest: { cpu: "100m", memory: "128Mi" },
};

type Metadata = (name: string) => { name: string; namespace: string; labels: Record<string, string> };

function makeLimits(
  { quota }: EnvironmentPlace,
  metadata: Metadata,
  within: pulumi.CustomResourceOptions,
): readonly pulumi.CustomResource[] {
  const limits = new LimitRange(
    "limits",
    { metadata: metadata("waybill"), spec: { limits: [containerDefaults] } },
    within,
  );
  if (Object.keys(quota).length === 0) return [limits];
  return [limits, new ResourceQuota("quota", { metadata: metadata("waybill"), spec: { hard: { ...quota } } }, within)];
}

/** Nothing comes in but from the environment's own pods, from the gateway and from the cluster's entrance. */
function makePolicies(
  { gateway, entrance }: EnvironmentPlace,
  metadata: Metadata,
  within: pulumi.CustomResourceOptions,
): readonly NetworkPolicy[] {
  const everyPod = { podSelector: {}, policyTypes: ["Ingress"] };
  const outside = [gateway, ...(entrance ? [entrance.from] : [])].flatMap(peersOf);
  return [
    new NetworkPolicy("deny", { metadata: metadata("waybill-deny"), spec: everyPod }, within),
    new NetworkPolicy(
      "admit",
      {
        metadata: metadata("waybill-admit"),
        spec: { ...everyPod, ingress: [{ from: [{ podSelector: {} }, ...outside] }] },
      },
      within,
    ),
  ];
}

const peersOf = (peer: Peer): input.networking.v1.NetworkPolicyPeer[] =>
  "namespace" in peer
    ? [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": peer.namespace } } }]
    : peer.cidrs.map((cidr) => ({ ipBlock: { cidr } }));

/** What pods run as: it may pull images, and nothing else. */
function makeAccount(
  { pullSecret }: EnvironmentPlace,
  metadata: Metadata,
  within: pulumi.CustomResourceOptions,
): ServiceAccount {
  const pull =
    pullSecret &&
    new Secret(
      "pull",
      {
        metadata: metadata(pullSecretName),
        type: "kubernetes.io/dockerconfigjson",
        stringData: { ".dockerconfigjson": pulumi.secret(pullSecret.reveal()) },
      },
      within,
    );
  return new ServiceAccount(
    "account",
    {
      metadata: metadata(serviceAccount),
      automountServiceAccountToken: false,
      imagePullSecrets: pull ? [{ name: pull.metadata.name }] : [],
    },
    within,
  );
}
