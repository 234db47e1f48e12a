import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isName } from "../../core/names.ts";
import { namespaceOf } from "./names.ts";

const name = fc.stringMatching(/^[a-z0-9](?:-?[a-z0-9]){0,39}$/).filter(isName);
const place = fc.record({ repository: name, environment: name });

test("a namespace is a DNS label that no other environment has", () => {
  assert.equal(namespaceOf({ repository: "shop", environment: "pr-12" }), "shop--pr-12");
  fc.assert(
    fc.property(place, place, (one, other) => {
      assert.match(namespaceOf(one), /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/);
      const isSame = one.repository === other.repository && one.environment === other.environment;
      assert.equal(namespaceOf(one) === namespaceOf(other), isSame);
    }),
  );
});

test("a long one is cut and stays its own, also against one that looks like it", () => {
  const long = { repository: "r".repeat(40), environment: "e".repeat(40) };
  const cut = namespaceOf(long);
  assert.match(cut, /^r{40}--e{9}--[0-9a-f]{10}$/);
  assert.notEqual(cut, namespaceOf({ ...long, environment: `${"e".repeat(39)}f` }));
  // Its own `--` cannot be written in a name.
  assert.equal(isName(cut.slice(42)), false);
});
