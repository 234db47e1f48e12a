import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json, Properties } from "../../../engine/provider.ts";
import type { KubeObject } from "../cluster/object.ts";
import type { FieldTree } from "./field-tree.ts";
import { takeoversOf } from "./takeovers.ts";

type Element = Readonly<Record<string, Json>>;
const web: Element = { name: "web", port: 8000, protocol: "TCP" };
const admin: Element = { name: "admin", port: 9000, protocol: "TCP" };
const moved: Element = { name: "web", port: 8080, protocol: "TCP" };

const part = ({ port = 0, protocol = "TCP" }: Element): string => `k:${JSON.stringify({ port, protocol })}`;
const portsOf = (elements: readonly Element[]): FieldTree =>
  elements.length === 0
    ? {}
    : { "f:spec": { "f:ports": Object.fromEntries(elements.map((each) => [part(each), { ".": {} }])) } };

interface Found {
  readonly live: readonly Element[];
  readonly own: readonly Element[];
  readonly foreign: readonly Element[];
  readonly by?: string;
}

function takeovers(declared: readonly Element[], { live, own, foreign, by = "kubectl-edit" }: Found) {
  const reference = { apiVersion: "v1", kind: "Service", namespace: "shop", name: "web" };
  const metadata = { name: "web", namespace: "shop" };
  const inputs: Properties = { metadata, spec: { ports: [...declared] } };
  const resource = { urn: "u", type: "kubernetes:core/v1:Service", id: "shop/web", inputs, outputs: inputs };
  const object: KubeObject = {
    ...reference,
    metadata: {
      ...metadata,
      managedFields: [
        { manager: "waybill", operation: "Apply", fieldsV1: { "f:metadata": {}, ...portsOf(own) } },
        { manager: by, operation: "Update", fieldsV1: portsOf(foreign) },
      ],
    },
    spec: { ports: [...live] },
  };
  return takeoversOf({ urn: "u", reference, resource: resource as never }, object);
}

test("the only element, renumbered", () => {
  assert.deepEqual(takeovers([web], { live: [moved], own: [], foreign: [moved] }), [
    { pointer: "/spec/ports", elements: [web] },
  ]);
});

test("one of several, renumbered: what is ours stays where it is", () => {
  assert.deepEqual(takeovers([web, admin], { live: [moved, admin], own: [admin], foreign: [moved] }), [
    { pointer: "/spec/ports", elements: [admin, web] },
  ]);
});

test("what was only added, or only taken away, gives nothing to take back", () => {
  assert.deepEqual(takeovers([web], { live: [web, moved], own: [web], foreign: [moved] }), []);
  assert.deepEqual(takeovers([web, admin], { live: [admin], own: [admin], foreign: [] }), []);
});

test("what the cluster's own controllers put there stays", () => {
  const by = "kube-controller-manager";
  assert.deepEqual(takeovers([web, admin], { live: [moved, admin], own: [admin], foreign: [moved], by }), []);
});

test("a variable of a container, by the way to it", () => {
  const reference = { apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name: "web" };
  const metadata = { name: "web", namespace: "shop" };
  const specOf = (env: Json): Properties => ({
    template: { spec: { containers: [{ name: "log" }, { name: "web", env }] } },
  });
  const inputs: Properties = { metadata, spec: specOf([{ name: "MODE", value: "calm" }]) };
  const resource = { urn: "u", type: "kubernetes:apps/v1:Deployment", id: "shop/web", inputs, outputs: inputs };
  const within = (env: FieldTree): FieldTree => ({
    "f:spec": {
      "f:template": { "f:spec": { "f:containers": { 'k:{"name":"web"}': { ".": {}, "f:name": {}, ...env } } } },
    },
  });
  const object: KubeObject = {
    ...reference,
    metadata: {
      ...metadata,
      managedFields: [
        { manager: "waybill", operation: "Apply", fieldsV1: within({}) },
        {
          manager: "kubectl-set",
          operation: "Update",
          fieldsV1: within({ "f:env": { 'k:{"name":"MOOD"}': { ".": {} } } }),
        },
      ],
    },
    spec: specOf([{ name: "MOOD", value: "calm" }]),
  };
  assert.deepEqual(takeoversOf({ urn: "u", reference, resource: resource as never }, object), [
    { pointer: "/spec/template/spec/containers/1/env", elements: [{ name: "MODE", value: "calm" }] },
  ]);
});
