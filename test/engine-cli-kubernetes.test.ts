import assert from "node:assert/strict";
import { test } from "node:test";
import { secret } from "@pulumi/pulumi";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
import { clusterSkip, kubeconfigPath, patience } from "./support/cluster.ts";
import { cliSkip, makeCliTestEngine } from "./support/cli-engine.ts";
import { idleImage, makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { shop } from "./support/stacks.ts";

const program = (namespace: string, level: string) => async () => {
  const provider = new KubernetesProvider("cluster", { kubeconfig: secret(kubeconfigPath()), namespace });
  const options = { provider };
  const settings = new ConfigMap("settings", { data: { LEVEL: level } }, options);
  const password = new Secret(
    "db",
    { metadata: { name: "db" }, stringData: { key: secret("correct horse") } },
    options,
  );
  const labels = { app: "web" };
  const containers = [{ name: "web", image: idleImage, envFrom: [{ secretRef: { name: password.metadata.name } }] }];
  const deployment = new Deployment(
    "web",
    {
      metadata: { name: "web", annotations: { settings: settings.metadata.name } },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { terminationGracePeriodSeconds: 0, containers } },
      },
    },
    options,
  );
  return { ready: deployment.status.readyReplicas, settings: settings.metadata.name };
};

test("the CLI and the engine here take turns on a cluster", { skip: cliSkip || clusterSkip() }, async () => {
  await using here = await makeKubernetesEngine({ prefix: "k4" });
  using cli = makeCliTestEngine({ providers: { kubernetes: here.provider } });
  const { cluster, namespace } = here;
  const at = { apiVersion: "v1", kind: "ConfigMap", namespace };
  const first = await cli.engine.up(shop, program(namespace, "info"));
  assert.equal(first.changes.create, 5);
  assert.equal(first.outputs["ready"], 1);
  const name = String(first.outputs["settings"]);
  assert.equal((await cluster.get({ ...at, name }, patience()))?.["data"] instanceof Object, true);
  assert.equal((await cli.engine.up(shop, program(namespace, "info"))).changes.same, 5);
  const preview = await cli.engine.preview(shop, program(namespace, "debug"));
  assert.deepEqual(
    preview.steps
      .filter(({ op }) => op !== "same")
      .map(({ op, name: which, diffs }) => `${op} ${which} ${diffs.join()}`),
    ["update settings data.LEVEL"],
  );
  // The same state, by the other engine: nothing to do, then a change, and back.
  await here.engine.import(shop, await cli.engine.export(shop, { showSecrets: true }));
  assert.equal((await here.engine.up(shop, program(namespace, "info"))).changes.same, 5);
  await here.engine.up(shop, program(namespace, "debug"));
  await cli.engine.import(shop, await here.engine.export(shop));
  assert.equal((await cli.engine.preview(shop, program(namespace, "debug"))).changes.same, 5);
  await cli.engine.destroy(shop);
  assert.equal(await cluster.get({ ...at, name }, patience()), null);
});
