import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { secret } from "@pulumi/pulumi";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
import type { Program } from "../src/engine/engine.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { idleImage, makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { shop } from "./support/stacks.ts";

const skip = clusterSkip() || cliSkip;
const password = "correct horse battery";

interface Web {
  readonly namespace: string;
  readonly level: string;
  readonly app?: string;
}

const web =
  ({ namespace, level, app = "web" }: Web): Program =>
  async () => {
    const options = { provider: new KubernetesProvider("cluster", { namespace }) };
    const settings = new ConfigMap("settings", { data: { level } }, options);
    const db = new Secret("db", { metadata: { name: "db" }, stringData: { password: secret(password) } }, options);
    const deployment = new Deployment(
      "web",
      {
        metadata: { name: "web", annotations: { settings: settings.metadata.name } },
        spec: {
          selector: { matchLabels: { app } },
          template: {
            metadata: { labels: { app } },
            spec: {
              terminationGracePeriodSeconds: 0,
              containers: [
                {
                  name: "main",
                  image: idleImage,
                  imagePullPolicy: "IfNotPresent",
                  envFrom: [{ secretRef: { name: db.metadata.name } }],
                },
              ],
            },
          },
        },
      },
      options,
    );
    return { name: settings.metadata.name, available: deployment.status.availableReplicas };
  };

describe("the same provider under the Pulumi CLI", { skip, timeout: 300_000 }, () => {
  test("create, same, update, replace and destroy", async () => {
    await using world = await makeKubernetesEngine();
    using cli = makeCliTestEngine({ providers: { kubernetes: world.provider } });
    const { engine } = cli;
    const { cluster, namespace } = world;
    assert.equal((await engine.preview(shop, web({ namespace, level: "info" }))).changes.create, 5);
    const { outputs } = await engine.up(shop, web({ namespace, level: "info" }));
    assert.equal(outputs["available"], 1);
    assert.equal((await engine.up(shop, web({ namespace, level: "info" }))).changes.same, 5);
    const updated = await engine.up(shop, web({ namespace, level: "debug" }));
    assert.equal(updated.changes.update, 1);
    assert.equal(updated.outputs["name"], outputs["name"]);
    assert.equal((await engine.up(shop, web({ namespace, level: "debug", app: "site" }))).changes.replace, 1);
    await engine.destroy(shop);
    const deployment = { apiVersion: "apps/v1", kind: "Deployment", namespace, name: "web" };
    assert.equal(await cluster.get(deployment, patience()), null);
  });

  test("a stack moves from one engine to the other and back, and nothing changes by it", async () => {
    await using world = await makeKubernetesEngine();
    using cli = makeCliTestEngine({ providers: { kubernetes: world.provider } });
    const { namespace, engine: own } = world;
    await own.up(shop, web({ namespace, level: "info" }));
    await cli.engine.import(shop, await own.export(shop, { showSecrets: true }));
    assert.equal((await cli.engine.preview(shop, web({ namespace, level: "info" }))).changes.same, 5);
    assert.equal((await cli.engine.up(shop, web({ namespace, level: "debug" }))).changes.update, 1);
    await own.import(shop, await cli.engine.export(shop, { showSecrets: true }));
    assert.equal((await own.preview(shop, web({ namespace, level: "debug" }))).changes.same, 5);
    assert.doesNotMatch(JSON.stringify(await own.export(shop)), new RegExp(`${password}|${btoa(password)}`));
    await own.destroy(shop);
  });
});
