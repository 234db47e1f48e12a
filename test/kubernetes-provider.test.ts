import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { secret } from "@pulumi/pulumi";
import { setTimeout as wait } from "node:timers/promises";
import { KubeConfig } from "@kubernetes/client-node";
import { CustomResource } from "@pulumi/kubernetes/apiextensions/customResource.js";
import { CustomResourceDefinition } from "@pulumi/kubernetes/apiextensions/v1/customResourceDefinition.js";
import { DaemonSet } from "@pulumi/kubernetes/apps/v1/daemonSet.js";
import { Deployment } from "@pulumi/kubernetes/apps/v1/deployment.js";
import { StatefulSet } from "@pulumi/kubernetes/apps/v1/statefulSet.js";
import { Job } from "@pulumi/kubernetes/batch/v1/job.js";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { Secret } from "@pulumi/kubernetes/core/v1/secret.js";
import { Service } from "@pulumi/kubernetes/core/v1/service.js";
import { WaybillError } from "../src/core/errors.ts";
import type { Program } from "../src/engine/engine.ts";
import type { EngineEvent } from "../src/engine/step.ts";
import { openCluster, type Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { clusterSkip, kubeconfigPath, patience } from "./support/cluster.ts";
import { idleImage, makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { shop } from "./support/stacks.ts";

const skip = clusterSkip();

interface WebOptions {
  readonly level?: string;
  readonly app?: string;
  readonly image?: string;
  readonly replicas?: number;
  readonly annotations?: Record<string, string>;
}

function webDeployment({ app = "web", image = idleImage, replicas = 1, annotations = {} }: WebOptions = {}) {
  return new Deployment("web", {
    metadata: { name: "web", annotations },
    spec: {
      replicas,
      progressDeadlineSeconds: 60,
      selector: { matchLabels: { app } },
      template: {
        metadata: { labels: { app } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [{ name: "main", image, imagePullPolicy: "IfNotPresent" }],
        },
      },
    },
  });
}

const web =
  (options: WebOptions = {}): Program =>
  async () => {
    const settings = new ConfigMap("settings", { data: { level: options.level ?? "info" } });
    const deployment = webDeployment(options);
    const service = new Service("web", {
      metadata: { name: "web", labels: { settings: settings.metadata.name } },
      spec: { selector: { app: options.app ?? "web" }, ports: [{ port: 80, targetPort: 8000 }] },
    });
    return { available: deployment.status.availableReplicas, address: service.spec.clusterIP };
  };

interface Place {
  readonly cluster: Cluster;
  readonly namespace: string;
}

async function live({ cluster, namespace }: Place, kind: string, name = "web"): Promise<KubeObject | null> {
  const apiVersion = kind === "Deployment" ? "apps/v1" : "v1";
  return cluster.get({ apiVersion, kind, namespace, name }, patience());
}

async function failure(run: Promise<unknown>): Promise<WaybillError> {
  const error: unknown = await run.then(
    () => assert.fail("it was to fail"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof WaybillError, String(error));
  return error;
}

describe("programs with @pulumi/kubernetes on a real cluster", { skip, timeout: 300_000 }, () => {
  test("create, same, update, drift, delete", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const preview = await engine.preview(shop, web(), { config });
    assert.equal(preview.changes.create, 4);
    const created = await engine.up(shop, web(), { config });
    assert.equal(created.outputs["available"], 1);
    assert.match(String(created.outputs["address"]), /^[0-9a-f.:]+$/);

    const again = await engine.up(shop, web(), { config });
    assert.equal(again.changes.same, 4);

    const name = (
      await world.cluster.list({ apiVersion: "v1", kind: "ConfigMap", namespace: world.namespace }, patience())
    ).items
      .map(({ metadata }) => metadata.name)
      .find((each) => each.startsWith("settings-"));
    const updated = await engine.up(shop, web({ level: "debug", replicas: 2 }), { config });
    assert.deepEqual([updated.changes.update, updated.changes.same], [2, 2]);
    assert.equal(updated.outputs["available"], 2);
    assert.deepEqual((await live(world, "ConfigMap", name))?.["data"], { level: "debug" });

    // Someone scales it by hand: seen by refresh, put back by the next apply.
    const scaled = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace: world.namespace } };
    await world.cluster.apply({ ...scaled, spec: { replicas: 3 } }, { signal: patience(), fieldManager: "someone" });
    await engine.refresh(shop);
    const said: string[] = [];
    const onEvent = (event: EngineEvent): void => {
      if (event.type === "step-progress") said.push(event.message);
    };
    const restored = await engine.up(shop, web({ level: "debug", replicas: 2 }), { config, onEvent });
    assert.match(said.join("\n"), /taking over what others changed: \.spec\.replicas \(conflict with "someone"/);
    assert.equal(restored.changes.update, 1);
    assert.equal(restored.outputs["available"], 2);
    await engine.refresh(shop);
    assert.equal((await engine.up(shop, web({ level: "debug", replicas: 2 }), { config })).changes.same, 4);

    await engine.destroy(shop);
    assert.equal(await live(world, "Deployment"), null);
    assert.equal(await live(world, "Service"), null);
    assert.equal(world.texts.size, 0);
  });

  test("a preview shows the server's refusal, and changes nothing", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const error = await failure(engine.preview(shop, web({ image: "" }), { config }));
    assert.equal(error.code, "CLUSTER_REFUSED");
    assert.match(error.message, /spec\.template\.spec\.containers\[0\]\.image: Required value/);
    assert.equal(await live(world, "Deployment"), null);
  });

  test("an object of a fixed name is replaced in its place; one of ours beside the old one", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    await engine.up(shop, web(), { config });
    const before = await live(world, "Deployment");
    const preview = await engine.preview(shop, web({ app: "site" }), { config });
    assert.deepEqual([preview.changes.replace, preview.changes.update], [1, 1]);
    await engine.up(shop, web({ app: "site" }), { config });
    const after = await live(world, "Deployment");
    assert.notEqual(after?.metadata.uid, before?.metadata.uid);

    const sealed = (level: string) => async () => {
      const map = new ConfigMap("sealed", { immutable: true, data: { level } });
      return { name: map.metadata.name };
    };
    const { outputs: first } = await engine.up({ ...shop, deployment: "sealed" }, sealed("a"), { config });
    const second = await engine.up({ ...shop, deployment: "sealed" }, sealed("b"), { config });
    assert.equal(second.changes.replace, 1);
    assert.notEqual(second.outputs["name"], first["name"]);
    assert.equal(await live(world, "ConfigMap", String(first["name"])), null);
    assert.deepEqual((await live(world, "ConfigMap", String(second.outputs["name"])))?.["data"], { level: "b" });
    await engine.destroy({ ...shop, deployment: "sealed" });
    await engine.destroy(shop);
  });

  test("a deployment that does not get ready says why, and the next apply goes on from there", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const said: string[] = [];
    const onEvent = (event: EngineEvent): void => {
      if (event.type === "step-progress") said.push(event.message);
    };
    const program = (options: WebOptions) => async () => {
      webDeployment(options);
    };
    const annotations = { "pulumi.com/timeoutSeconds": "12" };
    const missing = program({ image: "waybill.invalid/none:1", annotations });
    const error = await failure(engine.up(shop, missing, { config, onEvent }));
    assert.match(error.message, /Deployment \S+\/web is not ready after 12 s: 0 of 1 pods are ready; container main: /);
    assert.ok(
      said.some((message) => message.includes("0 of 1 pods")),
      said.join("\n"),
    );
    const state = await engine.export(shop);
    const kept = state?.deployment.resources?.find(({ type }) => type === "kubernetes:apps/v1:Deployment");
    assert.equal(kept?.id, `${world.namespace}/web`);
    const mended = await engine.up(shop, program({}), { config });
    assert.equal(mended.changes.update, 1);
    await engine.destroy(shop);
  });

  test("an image that never can be fails at once, for good", async () => {
    await using world = await makeKubernetesEngine();
    const error = await failure(
      world.engine.up(shop, async () => void webDeployment({ image: "Not An Image" }), { config: world.config }),
    );
    assert.equal(error.code, "WORKLOAD_FAILED");
    assert.equal(error.verdict, "rejected");
    assert.match(error.message, /does not get ready: container main: InvalidImageName/);
    await world.engine.destroy(shop);
  });

  test("secrets are in the cluster, and nowhere else to be read", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const text = "s3cr3t/of the shop";
    const program = (keys: readonly string[]) => async () => {
      const stringData = Object.fromEntries(keys.map((key) => [key, secret(text)]));
      void new Secret("db", { metadata: { name: "db" }, stringData });
    };
    await engine.up(shop, program(["url", "key"]), { config });
    const made = await live(world, "Secret", "db");
    assert.deepEqual(made?.["data"], { url: btoa(text), key: btoa(text) });
    assert.equal((await engine.up(shop, program(["url", "key"]), { config })).changes.same, 2);
    await engine.up(shop, program(["url"]), { config });
    assert.deepEqual((await live(world, "Secret", "db"))?.["data"], { url: btoa(text) });
    const state = JSON.stringify(await engine.export(shop));
    for (const form of [text, btoa(text), encodeURIComponent(text)]) assert.ok(!state.includes(form), form);
    const refused = async () => void new Secret("db", { metadata: { name: "db" }, data: { url: secret(text) } });
    const error = await failure(engine.up(shop, refused, { config }));
    assert.equal(error.code, "CLUSTER_REFUSED");
    for (const form of [text, btoa(text), encodeURIComponent(text)]) {
      assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes(form), error.message);
    }
    await engine.destroy(shop);
  });

  test("a namespace and what is in it come and go in one apply", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const name = `${world.namespace}-own`;
    const program = async () => {
      const own = new Namespace("own", { metadata: { name } });
      void new ConfigMap("inside", { metadata: { name: "inside", namespace: own.metadata.name }, data: { a: "1" } });
    };
    assert.equal((await engine.preview(shop, program, { config })).changes.create, 3);
    await engine.up(shop, program, { config });
    await engine.destroy(shop);
    assert.equal(await world.cluster.get({ apiVersion: "v1", kind: "Namespace", name }, patience()), null);
    await engine.up(shop, program, { config });
    await engine.destroy(shop);
  });

  test("an object that its finalizers hold says so", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, cluster, namespace } = world;
    const annotations = { "pulumi.com/timeoutSeconds": "1" };
    const held = { name: "held", finalizers: ["example.org/hold"], annotations };
    await engine.up(shop, async () => void new ConfigMap("held", { metadata: held }), { config });
    const error = await failure(engine.destroy(shop));
    assert.equal(error.code, "CLUSTER_CONFLICT");
    assert.match(
      error.message,
      /ConfigMap \S+\/held is still being deleted after 1 s: held by its finalizers example\.org\/hold/,
    );
    const freed = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "held", namespace, finalizers: [] } };
    await cluster.apply(freed, { signal: patience() });
    await engine.destroy(shop);
    assert.equal(await live(world, "ConfigMap", "held"), null);
  });

  test("unknown kinds and what is no object are refused by name", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const widget = async () =>
      void new CustomResource("w", { apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "w" } });
    assert.equal((await engine.preview(shop, widget, { config })).changes.create, 2);
    const unknown = await failure(engine.up(shop, widget, { config }));
    assert.equal(unknown.code, "KIND_UNKNOWN");
    assert.match(unknown.message, /serves no kind "Widget" of example\.org\/v1/);
    const { ConfigMapPatch } = await import("@pulumi/kubernetes/core/v1/configMapPatch.js");
    const patch = async () => void new ConfigMapPatch("p", { metadata: { name: "p" } });
    const unsupported = await failure(engine.preview({ ...shop, deployment: "patch" }, patch, { config }));
    assert.equal(unsupported.code, "PROGRAM_UNSUPPORTED");
    assert.match(unsupported.message, /declare the whole object as ConfigMap/);
  });

  test("stateful sets, daemon sets and jobs are awaited as they are", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config } = world;
    const template = (level: string) => ({
      metadata: { labels: { app: "set" }, annotations: { level } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "main", image: idleImage, imagePullPolicy: "IfNotPresent" }],
      },
    });
    const selector = { matchLabels: { app: "set" } };
    const broken = {
      restartPolicy: "Never",
      containers: [{ name: "main", image: idleImage, imagePullPolicy: "IfNotPresent", command: ["/not-there"] }],
    };
    const sets = (level: string, withJob: boolean) => async () => {
      const stateful = { replicas: 2, serviceName: "set", selector, template: template(level) };
      const set = new StatefulSet("set", { metadata: { name: "set" }, spec: stateful });
      void new DaemonSet("set", { metadata: { name: "set" }, spec: { selector, template: template(level) } });
      const failing = { metadata: { name: "train" }, spec: { backoffLimit: 0, template: { spec: broken } } };
      if (withJob) void new Job("train", failing);
      return { ready: set.status.readyReplicas };
    };
    assert.equal((await engine.up(shop, sets("a", false), { config })).outputs["ready"], 2);
    const updated = await engine.up(shop, sets("b", false), { config });
    assert.deepEqual([updated.changes.update, updated.outputs["ready"]], [2, 2]);
    const error = await failure(engine.up(shop, sets("b", true), { config }));
    assert.equal(error.code, "WORKLOAD_FAILED");
    assert.match(error.message, /Job \S+\/train does not get ready: .*container main exited with status 128/);
    await engine.destroy(shop);
  });

  test("what an interrupted creation made is found again", async () => {
    await using world = await makeKubernetesEngine();
    const bound = await world.provider.configure({ inputs: { namespace: world.namespace }, signal: patience() });
    const inputs = { metadata: { name: "one", namespace: world.namespace }, data: { a: "1" } };
    const request = {
      urn: "urn:pulumi:production::shop::kubernetes:core/v1:ConfigMap::one",
      type: "kubernetes:core/v1:ConfigMap",
      name: "one",
      signal: patience(),
      onProgress: () => undefined,
      secretPaths: [],
      operationId: "o-1",
      inputs,
    };
    assert.equal(await bound.find?.(request), null);
    const made = await bound.create({ ...request, preview: false });
    assert.deepEqual(await bound.find?.(request), made);
    assert.equal(made.id, `${world.namespace}/one`);
  });

  test("a definition and an object of it in one program; its immutable field makes another object", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, namespace } = world;
    const group = `${namespace}.example.org`;
    const fixed = { type: "string", "x-kubernetes-validations": [{ rule: "self == oldSelf", message: "is fixed" }] };
    const spec = { type: "object", properties: { fixed, free: { type: "string" } } };
    const program = (values: { readonly fixed: string; readonly free: string }) => async () => {
      const definition = new CustomResourceDefinition("crates", {
        metadata: { name: `crates.${group}` },
        spec: {
          group,
          scope: "Namespaced",
          names: { plural: "crates", singular: "crate", kind: "Crate" },
          versions: [
            {
              name: "v1",
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: "object", properties: { spec } } },
            },
          ],
        },
      });
      const crate = { apiVersion: `${group}/v1`, kind: "Crate", metadata: { name: "one", namespace }, spec: values };
      void new CustomResource("one", crate, { dependsOn: definition });
    };
    const crate = () =>
      world.cluster.get({ apiVersion: `${group}/v1`, kind: "Crate", namespace, name: "one" }, patience());
    await engine.preview(shop, program({ fixed: "a", free: "a" }), { config });
    await engine.up(shop, program({ fixed: "a", free: "a" }), { config });
    const first = await crate();
    assert.equal((await engine.up(shop, program({ fixed: "a", free: "b" }), { config })).changes.update, 1);
    assert.equal((await crate())?.metadata.uid, first?.metadata.uid);
    const replaced = await engine.up(shop, program({ fixed: "b", free: "b" }), { config });
    assert.equal(replaced.changes.replace, 1);
    assert.notEqual((await crate())?.metadata.uid, first?.metadata.uid);
    await engine.destroy(shop);
  });

  test("who refused, and what they said: permissions and admission", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, cluster, namespace } = world;
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "none", namespace } };
    await cluster.apply({ ...quota, spec: { hard: { "count/configmaps": "0" } } }, { signal: patience() });
    const program = async () => void new ConfigMap("one", { metadata: { name: "one" } });
    await untilRefused(() => engine.preview(shop, program, { config }));
    const full = await failure(engine.up(shop, program, { config }));
    assert.equal(full.code, "CLUSTER_FORBIDDEN");
    assert.match(full.message, /apply ConfigMap \S+\/one: .* is forbidden: exceeded quota: none/);
    const stranger = await openCluster({ kubeconfig: impersonating(kubeconfigPath(), "stranger") });
    try {
      const one = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one", namespace } };
      const refused = await failure(stranger.apply(one, { signal: patience() }));
      assert.equal(refused.code, "CLUSTER_FORBIDDEN");
      assert.match(
        refused.message,
        /User "stranger" cannot patch resource "configmaps" in API group "" in the namespace/,
      );
    } finally {
      stranger.close();
    }
  });

  test("an object of the same name that is not ours stays", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, cluster, namespace } = world;
    const program = async () => void new ConfigMap("one", { metadata: { name: "one" } });
    await engine.up(shop, program, { config });
    const one = { apiVersion: "v1", kind: "ConfigMap", namespace, name: "one" };
    await cluster.delete(one, { signal: patience() });
    const other = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "one", namespace },
      data: { of: "another" },
    };
    await cluster.apply(other, { signal: patience(), fieldManager: "someone" });
    await engine.destroy(shop);
    assert.deepEqual((await live(world, "ConfigMap", "one"))?.["data"], { of: "another" });
  });
});

/** A quota counts a moment after it was made. */
async function untilRefused(preview: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      await preview();
    } catch {
      return;
    }
    await wait(100);
  }
  assert.fail("it was never refused");
}

/** The same kubeconfig, as another user. */
function impersonating(path: string, user: string): string {
  const config = new KubeConfig();
  config.loadFromFile(path);
  const users = config.getUsers().map((each) => ({ ...each, impersonateUser: user }));
  config.loadFromOptions({
    clusters: config.getClusters(),
    users,
    contexts: config.getContexts(),
    currentContext: config.getCurrentContext(),
  });
  return config.exportConfig();
}
