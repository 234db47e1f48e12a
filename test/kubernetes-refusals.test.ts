import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap.js";
import { Namespace } from "@pulumi/kubernetes/core/v1/namespace.js";
import { WaybillError } from "../src/core/errors.ts";
import { openCluster, type Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { referenceOf, type KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { clusterSkip, freshNamespace, kubeconfigPath, openTestCluster, patience } from "./support/cluster.ts";
import { makeKubernetesEngine } from "./support/kubernetes-engine.ts";
import { shop } from "./support/stacks.ts";

const admission = "admissionregistration.k8s.io/v1";
const configMaps = {
  apiGroups: [""],
  apiVersions: ["v1"],
  operations: ["CREATE", "UPDATE"],
  resources: ["configmaps"],
};
const inNamespace = (name: string) => ({ matchLabels: { "kubernetes.io/metadata.name": name } });

/** Applied for the time of a test; it stands outside of the test's namespace. */
async function applied(cluster: Cluster, ...objects: readonly KubeObject[]): Promise<AsyncDisposable> {
  for (const object of objects) await cluster.apply(object, { signal: patience() });
  return {
    async [Symbol.asyncDispose]() {
      for (const object of objects) await cluster.delete(referenceOf(object), { signal: patience() });
    },
  };
}

async function failure(run: () => Promise<unknown>): Promise<WaybillError> {
  const error: unknown = await run().then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof WaybillError, String(error));
  return error;
}

/** Policies and webhooks are in force a moment after they were made. */
async function firstFailure(run: () => Promise<unknown>): Promise<WaybillError> {
  let outcome: unknown = null;
  for (let tries = 0; tries < 100 && outcome === null; tries++) {
    if (tries > 0) await wait(100);
    outcome = await run().then(
      () => null,
      (thrown: unknown) => thrown,
    );
  }
  assert.ok(outcome instanceof WaybillError, String(outcome));
  return outcome;
}

describe("what a cluster refuses", { skip: clusterSkip(), timeout: 120_000 }, () => {
  test("a policy's refusal says whose it is and what it wants, also in a preview", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, cluster, namespace: name } = world;
    await using _ = await applied(
      cluster,
      {
        apiVersion: admission,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: { namespaceSelector: inNamespace(name), resourceRules: [configMaps] },
          validations: [{ expression: "'team' in object.metadata.?labels.orValue({})", message: "say which team" }],
        },
      },
      {
        apiVersion: admission,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name },
        spec: { policyName: name, validationActions: ["Deny"] },
      },
    );
    const program = async () => void new ConfigMap("one", { metadata: { name: "one" } });
    const early = await firstFailure(() => engine.preview(shop, program, { config }));
    const late = await failure(() => engine.up(shop, program, { config }));
    for (const { code, message } of [early, late]) {
      assert.equal(code, "CLUSTER_REFUSED");
      assert.match(message, new RegExp(`ValidatingAdmissionPolicy '${name}' .*denied request: say which team`));
    }
  });

  test("a webhook that does not answer is named, once it had its time", async () => {
    await using place = await freshNamespace("k1");
    await using cluster = Object.assign(await openCluster({ kubeconfig: kubeconfigPath(), patienceMs: 1_000 }), {
      async [Symbol.asyncDispose]() {
        cluster.close();
      },
    });
    const { name } = place;
    await using _ = await applied(cluster, {
      apiVersion: admission,
      kind: "ValidatingWebhookConfiguration",
      metadata: { name },
      webhooks: [
        {
          name: "away.example.org",
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Fail",
          timeoutSeconds: 1,
          clientConfig: { url: "https://127.0.0.1:1/" },
          namespaceSelector: inNamespace(name),
          rules: [configMaps],
        },
      ],
    });
    const one = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one", namespace: name } };
    const error = await firstFailure(() => cluster.apply(one, { signal: patience() }));
    assert.equal(error.code, "CLUSTER_BUSY");
    assert.equal(error.verdict, "transient");
    assert.match(error.message, /apply ConfigMap \S+\/one: .*failed calling webhook "away\.example\.org"/);
  });

  test("a namespace that is stuck in its end says what holds it, and takes nothing new", async () => {
    await using world = await makeKubernetesEngine();
    const { engine, config, cluster } = world;
    const name = `${world.namespace}-held`;
    const annotations = { "pulumi.com/timeoutSeconds": "15" };
    const own = async () => void new Namespace("own", { metadata: { name, annotations } });
    await engine.up(shop, own, { config });
    const held = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "held", namespace: name } };
    const finalizers = ["example.org/hold"];
    await cluster.apply({ ...held, metadata: { ...held.metadata, finalizers } }, { signal: patience() });
    const stuck = await failure(() => engine.destroy(shop));
    assert.equal(stuck.code, "CLUSTER_CONFLICT");
    assert.match(stuck.message, /Namespace \S+ is still being deleted after 15 s: .*example\.org\/hold in 1 resource/);
    const inside = async () => void new ConfigMap("one", { metadata: { name: "one", namespace: name } });
    const refused = await failure(() => engine.up({ ...shop, deployment: "inside" }, inside, { config }));
    assert.equal(refused.code, "CLUSTER_CONFLICT");
    assert.match(refused.message, /is being deleted; it can be used again once it is gone/);
    await cluster.apply(held, { signal: patience() });
    await engine.destroy(shop);
    await using other = Object.assign(await openTestCluster(), {
      async [Symbol.asyncDispose]() {
        other.close();
      },
    });
    assert.equal(await other.get({ apiVersion: "v1", kind: "Namespace", name }, patience()), null);
  });
});
