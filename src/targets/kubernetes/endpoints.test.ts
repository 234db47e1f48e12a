import assert from "node:assert/strict";
import { test } from "node:test";
import { addressesOf } from "./endpoints.ts";

const slice = (
  service: string,
  endpoints: { addresses: string[]; conditions?: { ready?: boolean | null } }[] | null,
) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `${service}-x`, namespace: "shop", labels: { "kubernetes.io/service-name": service } },
  endpoints,
});

test("ready addresses of a service, over all of its slices, each once", () => {
  const known = addressesOf([
    slice("web", [{ addresses: ["10.0.0.2"], conditions: { ready: true } }, { addresses: ["10.0.0.3"] }]),
    slice("web", [
      { addresses: ["10.0.0.2"], conditions: { ready: true } },
      { addresses: ["10.0.0.1", "10.9.9.9"], conditions: { ready: null } },
      { addresses: ["10.0.0.4"], conditions: { ready: false } },
    ]),
    slice("idle", null),
  ]);
  assert.deepEqual(
    [...known],
    [
      ["shop/web", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]],
      ["shop/idle", []],
    ],
  );
});
