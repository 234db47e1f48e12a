import assert from "node:assert/strict";
import { test } from "node:test";
import { statusOfParts, troubleOfParts } from "./together.ts";

test("a deployment is as well as the worst of its components, which is named", () => {
  const ready = { state: "ready", reason: "" } as const;
  assert.equal(statusOfParts([]), null);
  assert.deepEqual(statusOfParts([{ component: null, is: { state: "degraded", reason: "crashed" } }]), {
    state: "degraded",
    reason: "crashed",
  });
  const parts = [
    { component: "web", is: ready },
    { component: "ranker", is: { state: "starting", reason: "" } },
    { component: "mailer", is: { state: "degraded", reason: "crashed" } },
  ] as const;
  assert.deepEqual(statusOfParts(parts), { state: "degraded", reason: "component mailer: crashed" });
  assert.deepEqual(statusOfParts(parts.slice(0, 1)), ready);
});

test("of several troubles the final one is told", () => {
  const wait = { reason: "no room", isFinal: false };
  const final = { reason: "crashed", isFinal: true };
  assert.equal(troubleOfParts([{ component: "web", is: null }]), null);
  assert.deepEqual(
    troubleOfParts([
      { component: "web", is: wait },
      { component: "mailer", is: final },
    ]),
    { reason: "component mailer: crashed", isFinal: true },
  );
});
