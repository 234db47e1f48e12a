import assert from "node:assert/strict";
import { test } from "node:test";
import { parseGoDuration } from "../program/registration-request.ts";
import { aliasUrns, defaultProviderName, isDefaultProvider, makeUrn, parseProviderReference, parseUrn } from "./urn.ts";

const place = { stack: "production--ranker", project: "shop" };
const root = makeUrn({ ...place, type: "pulumi:pulumi:Stack", name: "shop-production--ranker", parent: "" });

test("a URN carries its parents' types, but for the stack's", () => {
  const pair = makeUrn({ ...place, type: "test:index:Pair", name: "p", parent: root });
  assert.equal(pair, "urn:pulumi:production--ranker::shop::test:index:Pair::p");
  const child = makeUrn({ ...place, type: "test:index:Thing", name: "a::b", parent: pair });
  assert.equal(child, "urn:pulumi:production--ranker::shop::test:index:Pair$test:index:Thing::a::b");
  assert.deepEqual(parseUrn(child), { ...place, qualifiedType: "test:index:Pair$test:index:Thing", name: "a::b" });
});

test("aliases combine a resource's own with its parent's", () => {
  const parent = makeUrn({ ...place, type: "test:index:Pair", name: "new", parent: root });
  const formerParent = makeUrn({ ...place, type: "test:index:Couple", name: "old", parent: root });
  const child = { type: "test:index:Thing", name: "new-left", parent };
  const none = { name: "", type: "", stack: "", project: "", parent: "", hasNoParent: false };
  const urns = aliasUrns({ ...child, urn: makeUrn({ ...place, ...child }), aliases: [{ ...none, name: "left" }] }, [
    formerParent,
  ]);
  assert.deepEqual(
    urns.map((urn) => urn.replace("urn:pulumi:production--ranker::shop::", "")),
    [
      "test:index:Pair$test:index:Thing::left",
      "test:index:Couple$test:index:Thing::old-left",
      "test:index:Couple$test:index:Thing::left",
    ],
  );
});

test("default providers are named by version", () => {
  assert.equal(defaultProviderName(""), "default");
  assert.equal(defaultProviderName("4.34.2-alpha+x"), "default_4_34_2_alpha_x");
  assert.ok(isDefaultProvider("urn:pulumi:s::p::pulumi:providers:kubernetes::default_4_34_2"));
  assert.ok(!isDefaultProvider("urn:pulumi:s::p::pulumi:providers:kubernetes::defaults"));
  assert.deepEqual(parseProviderReference("urn:pulumi:s::p::pulumi:providers:k::a::b::id"), {
    urn: "urn:pulumi:s::p::pulumi:providers:k::a::b",
    id: "id",
  });
});

test("durations are Go's", () => {
  assert.equal(parseGoDuration("1h30m0.5s"), 5400.5);
  assert.equal(parseGoDuration("250ms"), 0.25);
  for (const text of ["", "10", "5 m", "1d"]) assert.equal(parseGoDuration(text), null, text);
});
