import assert from "node:assert/strict";
import { test } from "node:test";
import { WaybillError } from "../../core/errors.ts";
import { Secret } from "../../core/secret.ts";
import { isSigned, readEventHeaders, signatureOf } from "./event-signature.ts";
import { valueAt } from "./event.ts";

// The vector of the Standard Webhooks specification's reference libraries.
const key = new Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
const headers = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp: "1614265330" };
const body = Buffer.from('{"test": 2432232314}');
const signature = "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

test("signatures are those of Standard Webhooks", () => {
  assert.equal(signatureOf(headers, body, key), signature);
  const signed = (text: string): boolean => isSigned({ ...headers, signature: text }, body, [key]);
  assert.ok(signed(`v1,${signature}`));
  assert.ok(signed(`v1a,x v1,AAAA v1,${signature}`));
  assert.ok(!signed(signature));
  assert.ok(!signed(`v2,${signature}`));
  assert.ok(!signed(""));
  assert.ok(!isSigned({ ...headers, signature: `v1,${signature}` }, Buffer.from("{}"), [key]));
  assert.ok(!isSigned({ ...headers, id: "other", signature: `v1,${signature}` }, body, [key]));
  assert.ok(!isSigned({ ...headers, signature: `v1,${signature}` }, body, []));
});

test("what is signed more than five minutes away from now is stale", () => {
  const now = new Date(1_614_265_330_000);
  const at = (seconds: string) =>
    readEventHeaders(
      new Request("http://x", {
        headers: { "webhook-id": "a", "webhook-timestamp": seconds, "webhook-signature": "" },
      }),
      now,
    );
  assert.equal(at("1614265330").id, "a");
  assert.equal(at("1614265030").timestamp, "1614265030");
  const isStale = (error: unknown): boolean => error instanceof WaybillError && error.code === "WEBHOOK_STALE";
  assert.throws(() => at("1614265029"), isStale);
  assert.throws(() => at("1614265631"), isStale);
  for (const seconds of ["", "-5", "1e9", "now"]) {
    assert.throws(() => at(seconds), /webhook-timestamp must be a number/);
  }
});

test("pointers are those of RFC 6901", () => {
  const document = { foo: ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, nested: { none: null } };
  assert.equal(valueAt(document, ""), document);
  assert.deepEqual(valueAt(document, "/foo"), ["bar", "baz"]);
  assert.equal(valueAt(document, "/foo/0"), "bar");
  assert.equal(valueAt(document, "/"), 0);
  assert.equal(valueAt(document, "/a~1b"), 1);
  assert.equal(valueAt(document, "/m~0n"), 8);
  assert.equal(valueAt(document, "/nested/none"), null);
  for (const pointer of ["/foo/2", "/foo/00", "/foo/length", "/foo/-", "/toString", "/__proto__", "/foo/0/0", "/x/y"]) {
    assert.equal(valueAt(document, pointer), undefined, pointer);
  }
});
