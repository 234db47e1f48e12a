import assert from "node:assert/strict";
import { test } from "node:test";
import { podsOf } from "./endpoints.ts";

const slice = (
  service: string,
  endpoints: { addresses: string[]; conditions?: { ready?: boolean } }[],
  own: Record<string, string> = {},
) => ({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  metadata: { name: `${service}-x`, namespace: "shop", labels: { "kubernetes.io/service-name": service, ...own } },
  endpoints,
});

test("ready addresses of a service, over all of its slices, each once", () => {
  const known = podsOf([
    slice("web", [{ addresses: ["10.0.0.2"], conditions: { ready: true } }, { addresses: ["10.0.0.3"] }]),
    slice("web", [
      { addresses: ["10.0.0.2"], conditions: { ready: true } },
      { addresses: ["10.0.0.1", "10.9.9.9"], conditions: {} },
      { addresses: ["10.0.0.4"], conditions: { ready: false } },
    ]),
    slice("idle", []),
  ]);
  assert.deepEqual(
    [...known],
    [
      ["shop/web", { addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3"], revision: null }],
      ["shop/idle", { addresses: [], revision: null }],
    ],
  );
});

test("whose pods they are is what all slices of a service say", () => {
  const of = (revision: string) => ({ "waybill.dev/revision": revision });
  const known = podsOf([
    slice("one", [], of("aa")),
    slice("one", [], of("aa")),
    slice("two", [], of("aa")),
    slice("two", [], of("bb")),
  ]);
  assert.equal(known.get("shop/one")?.revision, "aa");
  assert.equal(known.get("shop/two")?.revision, null);
});
