import assert from "node:assert/strict";
import { test } from "node:test";
import { driftWords } from "./drift-words.ts";

test("what others changed, in a line", () => {
  const one = { object: "Deployment shop--production/web", field: "spec.replicas", at: null, note: "" };
  assert.equal(
    driftWords({ ...one, wanted: 1, found: 5, by: "kubectl" }),
    "Deployment shop--production/web: spec.replicas is 5 instead of 1, by kubectl",
  );
  assert.equal(
    driftWords({ ...one, wanted: "calm", found: null, by: null, note: "put back once it runs" }),
    "Deployment shop--production/web: spec.replicas is absent instead of calm (put back once it runs)",
  );
  assert.equal(
    driftWords({ ...one, field: null, wanted: null, found: null, by: null }),
    "Deployment shop--production/web is gone",
  );
  const text = driftWords({ ...one, wanted: { a: "x".repeat(1_000) }, found: "two\nlines", by: null });
  assert.match(text, /is "two\\nlines" instead of \{"a":"x+…$/);
  assert.ok(text.length < 300);
});
