import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../provider.ts";
import { structuralDiff, withIgnored } from "./diff.ts";
import { covers, formatPath, parsePath, secretPathsOf } from "./property-path.ts";
import { asSecret } from "./value.ts";

test("paths are read and written in Pulumi's notation", () => {
  const paths: readonly [string, readonly (string | number)[]][] = [
    ["a", ["a"]],
    ["a.b[0].c", ["a", "b", 0, "c"]],
    ['labels["app.kubernetes.io/name"]', ["labels", "app.kubernetes.io/name"]],
    ['["a b"].c', ["a b", "c"]],
    ["*", ["*"]],
  ];
  for (const [text, path] of paths) {
    assert.deepEqual(parsePath(text), path, text);
    assert.deepEqual(parsePath(formatPath(path)), path, text);
  }
  assert.deepEqual(parsePath("containers[*].image"), ["containers", "*", "image"]);
  for (const text of ["", "a[", "a]", 'a["b', "a[x]"]) assert.equal(parsePath(text), null, text);
});

test("a pattern covers what stands below it", () => {
  assert.ok(covers(["a"], ["a", "b"]));
  assert.ok(covers(["a", "*", "c"], ["a", 0, "c", "d"]));
  assert.ok(!covers(["a", "b"], ["a"]));
  assert.ok(!covers(["a", 1], ["a", 0]));
});

test("a structural diff goes as deep as both sides do", () => {
  const before = { same: 1, gone: 1, map: { a: 1, b: [1, 2] }, kind: "x", list: [1, 2] };
  const after = { same: 1, added: 1, map: { a: 2, b: [1] }, kind: { x: 1 }, list: [1, 2, 3] };
  assert.deepEqual(structuralDiff(before, after), {
    gone: "delete",
    "map.a": "update",
    "map.b[1]": "delete",
    kind: "update",
    "list[2]": "add",
    added: "add",
  });
  assert.deepEqual(structuralDiff({ a: { b: 1, c: 2 } }, { a: { c: 2, b: 1 } }), {}, "the order of keys is no change");
});

test("ignored paths take the old value, wildcards and removed keys included", () => {
  const before = { list: [{ image: "1", port: 1 }, { image: "2" }], labels: { a: "1" }, gone: 1 };
  const after = { list: [{ image: "9", port: 2 }, { image: "9" }, { image: "9" }], labels: { a: "2", b: "2" } };
  assert.deepEqual(withIgnored(before, after, ["list[*].image", "labels.*", "gone", "not[a path"]), {
    list: [{ image: "1", port: 2 }, { image: "2" }, { image: "9" }],
    labels: { a: "1" },
    gone: 1,
  });
});

test("secret paths name the outermost secrets", () => {
  const properties: Record<string, Json> = { a: asSecret("x"), b: { c: [1, asSecret({ d: 1 })] }, e: 1 };
  assert.deepEqual(secretPathsOf(properties), ["a", "b.c[1]"]);
});
