import assert from "node:assert/strict";
import { test } from "node:test";
import { makeRedaction } from "./redaction.ts";
import { asSecret, markedLike } from "./value.ts";

test("a secret is taken out in every form that it travels in", () => {
  const redaction = makeRedaction();
  const key = 'line one\nline "two" & more';
  redaction.learn({ nested: [asSecret({ key, pin: 987_654 })], plain: "kept" });
  for (const form of [key, "line one", JSON.stringify({ key }), encodeURIComponent(key), btoa(key), "pin 987654"]) {
    assert.doesNotMatch(redaction.clean(form), /line|two|987654|bGluZ/, form);
  }
  assert.equal(redaction.clean("kept"), "kept");
});

test("a secret is known as an error quotes it", () => {
  const redaction = makeRedaction();
  redaction.learnText("hunter2-private\0tail");
  assert.equal(redaction.clean(String.raw`Received 'hunter2-private\x00tail'`), "Received '[redacted]'");
});

test("of two secrets the longer goes first", () => {
  const redaction = makeRedaction();
  redaction.learn([asSecret("pass"), asSecret("password")]);
  assert.equal(redaction.clean("the password"), "the [redacted]");
});

test("outputs are secret where the inputs were, and where they repeat one", () => {
  const like = { token: asSecret("word-1234"), env: { A: asSecret("short") }, list: ["x"] };
  const plain = { token: "new", env: { A: "1", B: "word-1234" }, list: ["word-1234", "y"], given: 1 };
  assert.deepEqual(markedLike(plain, like, ["given"]), {
    token: asSecret("new"),
    env: { A: asSecret("1"), B: asSecret("word-1234") },
    list: [asSecret("word-1234"), "y"],
    given: asSecret(1),
  });
});
