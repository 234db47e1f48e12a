import assert from "node:assert/strict";
import { test } from "node:test";
import { isUnsafeName, staysInside } from "./safe-path.ts";

for (const name of [
  "",
  ".",
  "..",
  ".git",
  ".GIT",
  ".gIt",
  "git~1",
  "GIT~2",
  ".git ",
  ".git.",
  ".git::$INDEX_ALLOCATION",
  ".g\u200cit",
  "a/b",
  "a\0b",
  "caf\ufffd",
]) {
  test(`the name ${JSON.stringify(name)} is refused`, () => assert.equal(isUnsafeName(name), true));
}

for (const name of [".gitignore", ".gitattributes", ".github", "git", "...", "a\\b", "-x", "é", " "]) {
  test(`the name ${JSON.stringify(name)} is taken`, () => assert.equal(isUnsafeName(name), false));
}

const inside: [string, Record<string, string>][] = [
  ["a", { a: "b" }],
  ["a", { a: "missing/file" }],
  ["d/a", { "d/a": "../b" }],
  ["d/a", { "d/a": ".." }],
  ["d/a", { "d/a": "./e/../../f" }],
  ["a", { a: "l/x", l: "d" }],
];
for (const [path, links] of inside) {
  test(`${path} stays inside of ${JSON.stringify(links)}`, () =>
    assert.equal(staysInside(path, new Map(Object.entries(links))), true));
}

const outside: [string, Record<string, string>][] = [
  ["a", { a: "/etc/passwd" }],
  ["a", { a: ".." }],
  ["d/a", { "d/a": "../../x" }],
  ["a", { a: "d/../../x" }],
  // By its text alone it would lead to `d/e/x`; by way of `up` it leads out.
  ["a", { a: "d/e/up/../x", "d/e/up": "../.." }],
  ["a", { a: "b", b: "a" }],
  ["a", { a: "b/x", b: "/tmp" }],
  ["a", { a: "x\0y" }],
];
for (const [path, links] of outside) {
  test(`${path} leads out of ${JSON.stringify(links)}`, () =>
    assert.equal(staysInside(path, new Map(Object.entries(links))), false));
}
