import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLog } from "../../../core/log.ts";
import { systemClock } from "../../../core/clock.ts";
import { limitRangeOf, nodeOf, podOf, quotaOf, type PodObject } from "../capacity/reader.ts";
import { findDrift } from "../drift/find-drift.ts";
import { tracesOf } from "../drift/traces.ts";
import { podsOf } from "../endpoints.ts";
import { diagnose } from "../observe/diagnosis.ts";
import { ruleOf } from "../readiness/rules.ts";
import { answerOf } from "./answer.ts";
import { openCluster } from "./cluster.ts";
import { makeInformer } from "./informer.ts";
import type { KubeObject } from "./object.ts";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

test("fields that are null are absent, elements of lists keep their places", () => {
  const text = '{"a":null,"b":{"c":null,"d":[null,{"e":null,"f":0}]},"g":"","h":false}';
  assert.deepEqual(answerOf(text), { b: { d: [null, { f: 0 }] }, g: "", h: false });
});

const nothing = {
  metadata: {
    name: "x",
    namespace: "shop",
    labels: null,
    annotations: null,
    finalizers: null,
    ownerReferences: null,
    managedFields: null,
  },
  spec: {
    containers: null,
    initContainers: null,
    tolerations: null,
    nodeSelector: null,
    taints: null,
    limits: null,
    scopes: null,
    template: null,
    selector: null,
    ports: null,
    affinity: null,
    versions: null,
    rules: null,
  },
  status: {
    conditions: null,
    containerStatuses: null,
    initContainerStatuses: null,
    allocatable: null,
    hard: null,
    used: null,
    loadBalancer: null,
    acceptedNames: null,
  },
  endpoints: null,
  subsets: null,
};

test("whatever reads an object of a cluster takes one whose lists and maps are all null", () => {
  const of = (kind: string, apiVersion = "v1"): KubeObject =>
    answerOf(JSON.stringify({ apiVersion, kind, ...nothing })) as KubeObject;
  const pod: PodObject = of("Pod");
  nodeOf(of("Node"));
  podOf(pod);
  quotaOf(of("ResourceQuota"));
  limitRangeOf(of("LimitRange"));
  tracesOf(pod);
  podsOf([of("EndpointSlice")]);
  for (const pods of [[], [pod]]) {
    diagnose({ kind: "service", deployment: of("Deployment", "apps/v1"), pods: pods as never, events: [] });
  }
  const urn = "urn:pulumi:a::b::kubernetes:core/v1:Pod::x";
  const resource = {
    urn,
    type: "kubernetes:core/v1:Pod",
    id: "shop/x",
    custom: true,
    inputs: { metadata: { name: "x" } },
    outputs: {},
  };
  const reference = { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "x" };
  assert.deepEqual(findDrift({ urn, resource, reference }, pod), []);
  const kinds: readonly (readonly [string, string])[] = [
    ["apps/v1", "Deployment"],
    ["apps/v1", "StatefulSet"],
    ["apps/v1", "DaemonSet"],
    ["batch/v1", "Job"],
    ["v1", "Pod"],
    ["v1", "Service"],
    ["v1", "PersistentVolumeClaim"],
    ["networking.k8s.io/v1", "Ingress"],
    ["apiextensions.k8s.io/v1", "CustomResourceDefinition"],
    ["gateway.networking.k8s.io/v1", "HTTPRoute"],
    ["example.com/v1", "Thing"],
  ];
  for (const [apiVersion, kind] of kinds) {
    const rule = ruleOf({ apiVersion, kind });
    if (rule === undefined) continue;
    const object = of(kind, apiVersion);
    rule.related?.(object);
    rule.judge({ object, related: [object, pod], nowMs: 0 });
  }
});

test("they are absent in what is got, applied, listed and watched", async () => {
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "x", namespace: "shop", resourceVersion: "2" },
    data: null,
  };
  await using server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    const answer = (body: unknown): void => void response.end(JSON.stringify(body));
    if (url.pathname === "/api/v1")
      answer({ resources: [{ name: "configmaps", kind: "ConfigMap", namespaced: true }] });
    else if (url.searchParams.has("watch")) response.write(`${JSON.stringify({ type: "ADDED", object })}\n`);
    else if (url.pathname.endsWith("/x")) answer(object);
    else answer({ metadata: { resourceVersion: "1" }, items: null });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const kubeconfig = JSON.stringify({
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    users: [{ name: "u", user: {} }],
    "current-context": "c",
  });
  const cluster = await openCluster({ kubeconfig: `${kubeconfig}\n` });
  const signal = AbortSignal.timeout(10_000);
  const { data: _, ...wanted } = object;
  assert.deepEqual(
    await cluster.get({ apiVersion: "v1", kind: "ConfigMap", namespace: "shop", name: "x" }, signal),
    wanted,
  );
  assert.deepEqual(await cluster.apply(wanted, { signal }), wanted);
  const { apiVersion, kind } = wanted;
  const heard = Promise.withResolvers<KubeObject>();
  const informer = makeInformer(cluster, {
    apiVersion,
    kind,
    namespace: "shop",
    clock: systemClock,
    log: silentLog,
    onChange: ({ object: found }) => heard.resolve(found),
  });
  assert.deepEqual(await heard.promise, wanted);
  await informer.close();
  cluster.close();
  server.closeAllConnections();
});
