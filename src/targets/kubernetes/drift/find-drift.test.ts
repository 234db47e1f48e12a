import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties } from "../../../engine/provider.ts";
import type { ResourceState } from "../../../engine/state.ts";
import { signatureKey } from "../../../engine/value/value.ts";
import type { KubeObject } from "../cluster/object.ts";
import type { FieldTree, ManagedFields } from "./field-tree.ts";
import { appliedObjects, findDrift, type Applied } from "./find-drift.ts";

const provider = "urn:pulumi:s::p::pulumi:providers:kubernetes::cluster::id";
const inputs: Properties = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "shop", labels: { team: "search" } },
  spec: {
    replicas: 1,
    template: {
      spec: { containers: [{ name: "web", image: "shop/web:1", resources: { limits: { memory: "1024Mi" } } }] },
    },
  },
};
// As the cluster wrote it: another quantity, and what it completed.
const whole = (replicas: number, image: string): Properties => ({
  ...inputs,
  metadata: { name: "web", namespace: "shop", uid: "1", labels: { team: "search" } },
  spec: {
    replicas,
    paused: false,
    template: {
      spec: {
        containers: [{ name: "web", image, imagePullPolicy: "Always", resources: { limits: { memory: "1Gi" } } }],
      },
    },
  },
});
const resource = (more: Partial<ResourceState> = {}): ResourceState => ({
  urn: "urn:web",
  custom: true,
  id: "shop/web",
  type: "kubernetes:apps/v1:Deployment",
  provider,
  inputs,
  outputs: { ...whole(1, "shop/web:1"), __fieldManager: "waybill" },
  ...more,
});
const containerFields = (...fields: readonly string[]): FieldTree => ({
  "f:template": {
    "f:spec": {
      "f:containers": { 'k:{"name":"web"}': { ".": {}, ...Object.fromEntries(fields.map((field) => [field, {}])) } },
    },
  },
});
const own = (spec: FieldTree): ManagedFields => ({
  manager: "waybill",
  operation: "Apply",
  fieldsV1: { "f:metadata": { "f:labels": { "f:team": {} } }, "f:spec": spec },
});
const all = { "f:replicas": {}, ...containerFields("f:name", "f:image", "f:resources") };
const live = (properties: Properties, ...managedFields: readonly ManagedFields[]): KubeObject => {
  const { metadata, ...rest } = properties as unknown as KubeObject;
  return { ...rest, metadata: { ...metadata, managedFields } };
};
const applied = (more: Partial<ResourceState> = {}): Applied => {
  const [first] = appliedObjects([resource(more)], "cluster");
  assert.ok(first);
  return first;
};
const edit = (fieldsV1: FieldTree, more: Partial<ManagedFields> = {}): ManagedFields => ({
  manager: "kubectl-edit",
  operation: "Update",
  time: "2026-03-01T12:00:00Z",
  fieldsV1,
  ...more,
});

test("what the cluster completes and writes otherwise is no drift, nor what is added beside", () => {
  const more = live(whole(1, "shop/web:1"), own(all), edit({ "f:metadata": { "f:annotations": { "f:note": {} } } }));
  assert.deepEqual(findDrift(applied(), more), []);
});

test("an edited field is told with who and when; changed back it is none", () => {
  const kept = own({ "f:replicas": {}, ...containerFields("f:name", "f:resources") });
  const by = edit({ "f:spec": containerFields("f:image") });
  const [drift, ...others] = findDrift(applied(), live(whole(1, "evil:2"), kept, by));
  assert.deepEqual(others, []);
  assert.deepEqual(drift, {
    urn: "urn:web",
    object: "Deployment shop/web",
    field: "spec.template.spec.containers[name=web].image",
    wanted: "shop/web:1",
    found: "evil:2",
    by: "kubectl-edit",
    at: "2026-03-01T12:00:00Z",
    note: "",
    isResting: false,
  });
  assert.deepEqual(findDrift(applied(), live(whole(1, "shop/web:1"), kept, by)), []);
});

test("replicas are an autoscaler's, the sleep's, or that of who makes room; anybody else's are drift", () => {
  const kept = own(containerFields("f:name", "f:image", "f:resources"));
  const scaled = (more: Partial<ManagedFields>, annotations = {}): KubeObject => {
    const object = live(whole(4, "shop/web:1"), kept, edit({ "f:spec": { "f:replicas": {} } }, more));
    return { ...object, metadata: { ...object.metadata, annotations } };
  };
  const controller = { manager: "kube-controller-manager", subresource: "scale" };
  assert.deepEqual(findDrift(applied(), scaled(controller)), []);
  assert.deepEqual(findDrift(applied(), scaled({ manager: "waybill-sleep" })), []);
  assert.deepEqual(findDrift(applied(), scaled({ manager: "kubectl" }, { "waybill.dev/handed-over": "1" })), []);
  const autoscaler = resource({
    type: "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
    inputs: { spec: { scaleTargetRef: { name: "web" } } },
  });
  const both = appliedObjects([resource(), autoscaler], "cluster");
  assert.deepEqual(findDrift(applied(), scaled({ manager: "kubectl" }), both), []);
  assert.equal(findDrift(applied(), scaled({ manager: "kubectl" }))[0]?.found, 4);
  const asleep = scaled({ manager: "kubectl" }, { "waybill.dev/asleep-since": "2026-03-01T12:00:00Z" });
  assert.equal(findDrift(applied(), asleep)[0]?.isResting, true);
});

test("gone, on its way out, replaced by another, never made", () => {
  assert.equal(findDrift(applied(), null)[0]?.field, null);
  const object = live(whole(1, "shop/web:1"), own(all));
  const ending = { ...object, metadata: { ...object.metadata, deletionTimestamp: "2026-03-01T12:00:00Z" } };
  assert.equal(findDrift(applied(), ending).length, 1);
  const other = { ...object, metadata: { ...object.metadata, uid: "2" } };
  assert.equal(findDrift(applied(), other)[0]?.found, "another object of this name");
  assert.deepEqual(findDrift(applied({ initErrors: ["it crashed"] }), null), []);
});

test("of a Secret only the key is told", () => {
  const sealed = (value: Properties): Properties => ({ [signatureKey]: "sealed", plaintext: JSON.stringify(value) });
  const metadata = { name: "db", namespace: "shop" };
  const data = (value: string): Properties => ({ db: Buffer.from(value).toString("base64") });
  const secret = applied({
    type: "kubernetes:core/v1:Secret",
    id: "shop/db",
    inputs: { metadata, stringData: sealed({ db: "postgres://x:y@db" }) },
    outputs: { metadata, data: sealed(data("postgres://x:y@db")) },
  });
  const found = (value: string): KubeObject => {
    const object = { apiVersion: "v1", kind: "Secret", metadata, data: data(value) };
    return live(object, edit({ "f:data": { "f:db": {} } }, { manager: "kubectl-patch" }));
  };
  const [drift] = findDrift(secret, found("evil"));
  assert.deepEqual(
    [drift?.field, drift?.wanted, drift?.found, drift?.by],
    ["data.db", "[secret]", "[secret]", "kubectl-patch"],
  );
  assert.deepEqual(findDrift(secret, found("postgres://x:y@db")), []);
});

test("a list without elements, which the cluster leaves out, is not lost", () => {
  const spec = { ...(inputs["spec"] as Properties), volumes: [] };
  const declared = applied({ inputs: { ...inputs, spec } });
  assert.deepEqual(findDrift(declared, live(whole(1, "shop/web:1"), own(all))), []);
});
