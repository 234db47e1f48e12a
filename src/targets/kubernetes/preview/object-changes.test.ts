import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties } from "../../../engine/provider.ts";
import type { Sight, Step, StepOp } from "../../../engine/step.ts";
import { unknownValue } from "../../../engine/value/value.ts";
import { differencesOf } from "./differences.ts";
import { objectChangesOf } from "./object-changes.ts";

const step = (op: StepOp, type: string, sight: Partial<Sight>, diffs: readonly string[] = []): Step => ({
  urn: "urn",
  type,
  name: "name",
  op,
  diffs,
  detailedDiff: {},
  sight: { asked: null, before: null, after: null, ...sight },
});
const object = (name: string, revision: string, rest: Properties): Properties => ({
  metadata: { name, labels: { "waybill.dev/revision": revision } },
  ...rest,
});

test("members of a list go by name, what a server writes and what is not known are passed over", () => {
  const env = (...names: readonly string[]) => names.map((name) => ({ name, value: name.toUpperCase() }));
  const found = differencesOf(
    { metadata: { uid: "1", labels: { "a/b": "1" } }, spec: { env: env("a", "b"), ip: "x" }, status: { a: 1 } },
    { metadata: { uid: "2", labels: { "a/b": "2" } }, spec: { env: env("c", "a"), ip: unknownValue }, status: {} },
  );
  assert.deepEqual(found, [
    { path: 'metadata.labels["a/b"]', from: "1", to: "2" },
    { path: "spec.env[b]", from: { name: "b", value: "B" }, to: null },
    { path: "spec.env[c]", from: null, to: { name: "c", value: "C" } },
  ]);
});

test("the new revision's object stands for the old one's, and its name is no change", () => {
  const type = "kubernetes:apps/v1:Deployment";
  const asked = object("web-22222222", "22222222", { spec: { image: "b" } });
  const changes = objectChangesOf([
    step("create", type, { asked, after: { ...asked, spec: { image: "b", dnsPolicy: "ClusterFirst" } } }),
    step("delete", type, {
      before: object("web-11111111", "11111111", { spec: { image: "a", dnsPolicy: "ClusterFirst" } }),
    }),
    step("same", "kubernetes:core/v1:Service", {}),
    step("create", "waybill:local:Route", {}),
  ]);
  assert.deepEqual(changes, [
    {
      action: "replace",
      kind: "Deployment",
      name: "web-22222222",
      was: "web-11111111",
      fields: [{ path: "spec.image", from: "a", to: "b" }],
      filled: [{ path: "spec.dnsPolicy", from: null, to: "ClusterFirst" }],
    },
  ]);
});

test("a Secret shows that a value is another, and none, whoever wrote it", () => {
  const type = "kubernetes:core/v1:Secret";
  const [change] = objectChangesOf([
    step(
      "update",
      type,
      {
        asked: { metadata: { name: "s" }, stringData: { key: "plain" } },
        before: { metadata: { name: "s" }, data: { key: "b2xk", other: "c29tZWJvZHk=" } },
        after: { metadata: { name: "s" }, data: { key: "cGxhaW4=" }, stringData: { key: "plain" } },
      },
      ["stringData.key"],
    ),
  ]);
  assert.deepEqual(change?.fields, [
    { path: "data.other", from: "[redacted]", to: null },
    { path: "stringData.key", from: "[redacted]", to: "[redacted]" },
  ]);
  assert.doesNotMatch(JSON.stringify(change), /plain|cGxhaW4|c29tZW/);
});
