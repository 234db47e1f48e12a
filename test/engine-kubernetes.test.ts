import assert from "node:assert/strict";
import { test } from "node:test";
import { secret } from "@pulumi/pulumi";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
import type { Properties, Provider } from "../src/engine/provider.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop } from "./support/stacks.ts";

/** Answers as a cluster would, and notes with which configuration it was asked. */
function makeCluster() {
  const configurations: Properties[] = [];
  const cluster: Partial<Provider> = {
    create: async ({ inputs, type }) => {
      const { name, ...rest } = inputs["metadata"] as { readonly name: string };
      const metadata = { ...rest, name, uid: "u-1" };
      return { id: `default/${name}`, outputs: { ...inputs, metadata, status: { type, readyReplicas: 1 } } };
    },
    configure: async ({ inputs }) => {
      configurations.push(inputs);
      return recording.provider;
    },
  };
  const recording = makeRecordingProvider(cluster);
  return { ...recording, configurations };
}

const program = async () => {
  const provider = new KubernetesProvider("cluster", { kubeconfig: secret("apiVersion: v1"), namespace: "shop" });
  const options = { provider };
  const settings = new ConfigMap("settings", { metadata: { name: "settings" }, data: { LEVEL: "info" } }, options);
  const password = new Secret("db", { metadata: { name: "db" }, stringData: { url: secret("postgres://x") } }, options);
  const labels = { app: settings.metadata.name };
  const deployment = new Deployment(
    "web",
    {
      metadata: { name: "web", annotations: { uid: settings.metadata.uid } },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [{ name: "web", image: "web:1", envFrom: [{ secretRef: { name: password.metadata.name } }] }],
          },
        },
      },
    },
    { ...options, dependsOn: password },
  );
  return { ready: deployment.status.readyReplicas, name: deployment.metadata.name };
};

test("an ordinary program with @pulumi/kubernetes runs unmodified", async () => {
  const cluster = makeCluster();
  using harness = makeTestEngine({ providers: { kubernetes: cluster.provider } });
  const { engine, counts } = harness;
  const preview = await engine.preview(shop, program);
  assert.equal(preview.changes.create, 5);
  const { outputs } = await engine.up(shop, program);
  assert.deepEqual(outputs, { ready: 1, name: "web" });
  assert.deepEqual(cluster.configurations, [
    { kubeconfig: "apiVersion: v1", namespace: "shop" },
    { kubeconfig: "apiVersion: v1", namespace: "shop" },
  ]);
  const state = await engine.export(shop);
  const resources = state?.deployment.resources ?? [];
  const web = resources.find(({ type }) => type === "kubernetes:apps/v1:Deployment");
  assert.equal(web?.id, "default/web");
  assert.equal(web?.inputs?.["apiVersion"], "apps/v1");
  assert.equal(web?.dependencies?.length, 2);
  assert.doesNotMatch(JSON.stringify(state), /postgres:|apiVersion: v1/);
  counts.saves = 0;
  assert.equal((await engine.up(shop, program)).changes.same, 5);
  assert.equal(counts.saves, 0);
  await engine.destroy(shop);
});
