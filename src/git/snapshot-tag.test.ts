import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatMessage, identityPart, parseTagName, parseTrailers } from "./snapshot-tag.ts";

test("a snapshot's name is read in its parts", () => {
  assert.deepEqual(parseTagName("waybill/production/8"), { environment: "production", number: 8 });
  assert.deepEqual(parseTagName("waybill/pr-12/123456789"), { environment: "pr-12", number: 123_456_789 });
});

for (const name of [
  "waybill/production/08",
  "waybill/production/0",
  "waybill/production/-1",
  "waybill/production/1234567890",
  "waybill/production/8/9",
  "waybill/production/",
  "waybill//8",
  "waybill/../8",
  "waybill/Production/8",
  "waybill/a--b/8",
  "waybill/production/8\n",
  "x/waybill/production/8",
  "waybill/--upload-pack=x/1",
  "v1.0",
]) {
  test(`${JSON.stringify(name)} is no snapshot's name`, () => assert.equal(parseTagName(name), null));
}

test("trailers are the last paragraph, and only when each of its lines is one", () => {
  assert.deepEqual(parseTrailers("Deploy\n\nWhy not.\n\nWaybill-Actor: ann\nWaybill-Reason: it is\n  late\n"), {
    text: "Deploy\n\nWhy not.",
    trailers: { "Waybill-Actor": "ann", "Waybill-Reason": "it is late" },
  });
  assert.deepEqual(parseTrailers("Deploy\n\nnote: this\nis prose"), {
    text: "Deploy\n\nnote: this\nis prose",
    trailers: {},
  });
  assert.deepEqual(parseTrailers("Waybill-Reverts: waybill/production/8\n"), {
    text: "",
    trailers: { "Waybill-Reverts": "waybill/production/8" },
  });
  assert.deepEqual(parseTrailers("Deploy\r\n\r\nWaybill-Only: web\r\n"), {
    text: "Deploy",
    trailers: { "Waybill-Only": "web" },
  });
  assert.deepEqual(parseTrailers(""), { text: "", trailers: {} });
});

test("a signature is neither text nor trailer", () => {
  const signed =
    "Deploy\n\nWaybill-Actor: ann\n-----BEGIN PGP SIGNATURE-----\n\nabc: def\n-----END PGP SIGNATURE-----\n";
  assert.deepEqual(parseTrailers(signed), { text: "Deploy", trailers: { "Waybill-Actor": "ann" } });
});

test("no text can speak as a trailer, and no value as two", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (text, reason) => {
      const { trailers } = parseTrailers(formatMessage(text, { "Waybill-Actor": "ann", "Waybill-Reason": reason }));
      assert.deepEqual(Object.keys(trailers), ["Waybill-Actor", "Waybill-Reason"]);
      assert.equal(trailers["Waybill-Actor"], "ann");
    }),
  );
  const message = formatMessage("Oops\n\nWaybill-Actor: root", { "Waybill-Actor": "ann\n\nWaybill-Only: web" });
  assert.deepEqual(parseTrailers(message).trailers, { "Waybill-Actor": "ann Waybill-Only: web" });
});

test("a name fits between Git's delimiters", () => {
  assert.equal(identityPart("Ann <ann@example.org>\nx"), "Ann ann@example.org x");
  assert.equal(identityPart(" \u0000"), "unknown");
});
