import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../../../core/errors.ts";
import type { CallContext, DiffRequest, Properties } from "../../../engine/provider.ts";
import { unknownValue } from "../../../engine/value/value.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { checkInputs } from "./check.ts";
import { diffInputs } from "./diff.ts";
import { driftedInputs } from "./drift.ts";
import { manifestOf, outputsOf } from "./manifest.ts";
import { maskedError, maskOf } from "./masking.ts";
import { previewOfCreate } from "./preview.ts";
import { kindOf } from "./token.ts";

/** Knows namespaced kinds of the built-in groups, but no Widget. Any other call is a fault. */
const cluster = {
  resource: async ({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }) =>
    kind === "Widget" ? null : { apiVersion, kind, plural: "x", isNamespaced: kind !== "Namespace" },
} as unknown as Cluster;

const contextOf = (type: string): CallContext => ({
  urn: `urn:pulumi:production::shop::${type}::web`,
  type,
  name: "web",
  signal: new AbortController().signal,
  onProgress: () => undefined,
  secretPaths: [],
});

const check = async (type: string, newInputs: Properties, oldInputs: Properties | null = null) =>
  checkInputs({ ...contextOf(type), newInputs, oldInputs }, { cluster, defaultNamespace: "shop" });

function diff(type: string, oldInputs: Properties, newInputs: Properties) {
  const request: DiffRequest = {
    ...contextOf(type),
    id: "shop/web",
    oldInputs,
    oldOutputs: {},
    newInputs,
    ignoreChanges: [],
  };
  return diffInputs(request, cluster);
}

const configMap = "kubernetes:core/v1:ConfigMap";
const deployment = "kubernetes:apps/v1:Deployment";

test("a type token names apiVersion and kind", () => {
  assert.deepEqual(kindOf("kubernetes:core/v1:Pod"), { apiVersion: "v1", kind: "Pod" });
  assert.deepEqual(kindOf("kubernetes:stable.example.com/v1:CronTab"), {
    apiVersion: "stable.example.com/v1",
    kind: "CronTab",
  });
  const refused = {
    "kubernetes:apps/v1:DeploymentPatch": /declare the whole object as Deployment/,
    "kubernetes:core/v1:ConfigMapList": /declare its items one by one as ConfigMap/,
    "kubernetes:helm.sh/v3:Release": /declare the objects themselves/,
    "kubernetes:yaml/v2:ConfigFile": /declare the objects themselves/,
  };
  for (const [type, message] of Object.entries(refused)) {
    assert.throws(() => kindOf(type), { code: "PROGRAM_UNSUPPORTED", message });
  }
});

test("an object without a name gets one, and keeps it", async () => {
  const { inputs: first } = await check(configMap, { data: { level: "info" } });
  const { name, namespace, annotations } = first["metadata"] as Properties;
  assert.ok(typeof name === "string");
  assert.match(name, /^web-[0-9a-f]{8}$/);
  assert.equal(namespace, "shop");
  assert.deepEqual(annotations, { "pulumi.com/autonamed": "true" });
  const { inputs: second } = await check(configMap, { data: { level: "debug" } }, first);
  assert.deepEqual(second["metadata"], first["metadata"]);
  const changes = await diff(configMap, first, second);
  assert.deepEqual(changes.detailedDiff, { "data.level": "update" });
  assert.equal(changes.replaces, undefined);
});

test("an object that must be another gets another name, so that it can be there first", async () => {
  const selector = (app: string) => ({ spec: { selector: { matchLabels: { app } } } });
  const { inputs: first } = await check(deployment, selector("a"));
  const { inputs: second } = await check(deployment, selector("b"), first);
  const changes = await diff(deployment, first, second);
  assert.ok(changes.replaces?.includes("spec.selector.matchLabels.app"));
  assert.equal(changes.deleteBeforeReplace, false);
});

test("an object of a fixed name that must be another goes before the other comes", async () => {
  const named = (app: string) => ({ metadata: { name: "web" }, spec: { selector: { matchLabels: { app } } } });
  const { inputs: first } = await check(deployment, named("a"));
  const { inputs: second } = await check(deployment, named("b"), first);
  const { replaces, deleteBeforeReplace } = await diff(deployment, first, second);
  assert.deepEqual(replaces, ["spec.selector.matchLabels.app"]);
  assert.equal(deleteBeforeReplace, true);
  const renamed = await diff(deployment, first, { ...first, metadata: { name: "site", namespace: "shop" } });
  assert.deepEqual(renamed.replaces, ["metadata.name"]);
  assert.equal(renamed.deleteBeforeReplace, false);
});

test("what is unknown is no reason to replace, but for the whole of the metadata", async () => {
  const inputs = { metadata: { name: "web", namespace: "shop" }, spec: { selector: { matchLabels: { app: "a" } } } };
  assert.equal((await diff(deployment, inputs, { ...inputs, spec: unknownValue })).replaces, undefined);
  const renamed = { ...inputs, metadata: { name: unknownValue, namespace: "shop" } };
  assert.equal((await diff(deployment, inputs, renamed)).replaces, undefined);
  assert.deepEqual((await diff(deployment, inputs, { ...inputs, metadata: unknownValue })).replaces, ["metadata"]);
});

test("immutable fields are those of the kind", async () => {
  const metadata = { name: "web", namespace: "shop" };
  const change = async (type: string, before: Properties, after: Properties) =>
    (await diff(type, { metadata, ...before }, { metadata, ...after })).replaces ?? [];
  assert.deepEqual(
    await change("kubernetes:apps/v1:StatefulSet", { spec: { serviceName: "a" } }, { spec: { serviceName: "b" } }),
    ["spec.serviceName"],
  );
  assert.deepEqual(
    await change("kubernetes:apps/v1:StatefulSet", { spec: { replicas: 1 } }, { spec: { replicas: 2 } }),
    [],
  );
  const image = (tag: string) => ({ spec: { containers: [{ name: "main", image: tag }] } });
  assert.deepEqual(await change("kubernetes:core/v1:Pod", image("a"), image("b")), []);
  assert.deepEqual(
    await change(configMap, { immutable: true, data: { a: "1" } }, { immutable: true, data: { a: "2" } }),
    ["data.a"],
  );
  assert.deepEqual(await change(configMap, { data: { a: "1" } }, { data: { a: "2" } }), []);
  assert.deepEqual(await change("kubernetes:core/v1:Secret", { type: "a" }, { type: "b" }), ["type"]);
});

test("a kind that the cluster does not serve is refused by its name", async () => {
  const { failures } = await check("kubernetes:apps/v1:Widget", {});
  assert.deepEqual(failures, [
    { property: "kind", reason: "this cluster serves no Widget of apps/v1; correct apiVersion and kind" },
  ]);
  const mistaken = await check(configMap, { kind: "Secret" });
  assert.deepEqual(mistaken.failures, [{ property: "kind", reason: 'found "Secret", wanted ConfigMap' }]);
  assert.deepEqual((await check("kubernetes:example.org/v1:Widget", {})).failures, []);
});

test("a Secret is sent as data, and keeps the words of the program in its outputs", () => {
  const inputs = { metadata: { name: "db" }, data: { a: "MQ==" }, stringData: { url: "postgres://x" } };
  const manifest = manifestOf({ apiVersion: "v1", kind: "Secret" }, inputs);
  assert.deepEqual(manifest["data"], { a: "MQ==", url: "cG9zdGdyZXM6Ly94" });
  assert.equal(manifest["stringData"], undefined);
  const live = { ...manifest, metadata: { name: "db", managedFields: [{}] } };
  const outputs = outputsOf(live, inputs);
  assert.deepEqual(outputs["stringData"], inputs.stringData);
  assert.deepEqual(outputs["metadata"], { name: "db" });
});

test("what a dry run makes up is unknown", () => {
  const inputs = { metadata: { name: "web" }, spec: { ports: [{ port: 80 }, { port: 81, nodePort: 30_001 }] } };
  const made = {
    metadata: { name: "web", uid: "u-1", resourceVersion: "1", creationTimestamp: "now" },
    spec: {
      clusterIP: "10.0.0.1",
      clusterIPs: ["10.0.0.1"],
      ports: [
        { port: 80, nodePort: 30_000 },
        { port: 81, nodePort: 30_001 },
      ],
    },
  };
  assert.deepEqual(previewOfCreate(made, inputs), {
    metadata: { name: "web", uid: unknownValue, resourceVersion: unknownValue, creationTimestamp: unknownValue },
    spec: {
      clusterIP: unknownValue,
      clusterIPs: unknownValue,
      ports: [
        { port: 80, nodePort: unknownValue },
        { port: 81, nodePort: 30_001 },
      ],
    },
    status: unknownValue,
  });
});

test("drift is what applying again would change, and nothing else", () => {
  const inputs = { metadata: { name: "web" }, spec: { cpu: "1000m", replicas: 2, gone: 1 } };
  const wanted = { metadata: { name: "web", uid: "u" }, spec: { cpu: "1", replicas: 2, gone: 1, strategy: "x" } };
  assert.deepEqual(driftedInputs(inputs, wanted, wanted), inputs);
  const live = { metadata: { name: "web", uid: "u" }, spec: { cpu: "1", replicas: 5, strategy: "x" } };
  assert.deepEqual(driftedInputs(inputs, live, wanted), {
    metadata: { name: "web" },
    spec: { cpu: "1000m", replicas: 5 },
  });
});

test("no error shows what a Secret holds, in whatever form", () => {
  const text = "p@ss word/1";
  const mask = maskOf(
    { type: "kubernetes:core/v1:Secret", secretPaths: [] },
    { stringData: { url: text }, data: { key: Buffer.from("other one").toString("base64") } },
  );
  const forms = [text, encodeURIComponent(text), Buffer.from(text).toString("base64"), "other one"];
  const error = maskedError(new WaybillError("CLUSTER_REFUSED", `denied: ${forms.join(" and ")}`), mask);
  assert.ok(error instanceof WaybillError);
  assert.equal(error.code, "CLUSTER_REFUSED");
  for (const form of forms) assert.ok(!`${error.message}${error.stack}`.includes(form), form);
  const marked = maskOf({ type: configMap, secretPaths: ["data.url"] }, { data: { url: text } });
  assert.doesNotMatch(String(maskedError(new Error(`x ${text}`), marked)), /p@ss/);
});
