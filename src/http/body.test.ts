import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp } from "../../test/support/http-app.ts";
import { problemOf } from "../../test/support/problem.ts";

const ranker = "/api/v1/repositories/shop/environments/production/deployments/ranker";
const production = "/api/v1/repositories/shop/environments/production";

test("text that no database keeps is refused with its place, and a secret may hold anything", async () => {
  const { call } = makeTestApp();
  const refusals = [
    ["POST", `${ranker}/runs`, { name: "a\0" }, "body/name: holds the character U+0000: leave it out"],
    ["POST", `${ranker}/runs`, { parameters: { a: ["\ud800"] } }, /^body\/parameters: holds half of a surrogate pair/],
    ["POST", `${ranker}/pause`, { reason: "\udc00" }, /^body\/reason: holds half/],
    ["POST", `${production}/hold`, { reason: "a\0" }, /^body\/reason: holds the character U\+0000/],
    ["GET", "/api/v1/runs?job=a%00", undefined, "the query holds %00: leave it out"],
  ] as const;
  for (const [method, path, body, wanted] of refusals) {
    const { code, detail } = await problemOf(await call("anna", method, path, body));
    assert.equal(code, "REQUEST_INVALID", path);
    if (typeof wanted === "string") assert.equal(detail, wanted);
    else assert.match(detail, wanted);
  }
  assert.equal((await call("anna", "GET", "/api/v1/runs/a%00")).status, 404);
  const secret = await call("anna", "PUT", "/api/v1/repositories/shop/secrets/db", { value: "a\0b" });
  assert.equal(secret.status, 200);
});

const wrongQueries = [
  ["limit=0", /^limit is "0", not a whole number from 1 to 500$/],
  ["limit=1e3", /^limit is "1e3"/],
  ["cursor=%25", /^cursor is not the `next` of an earlier page$/],
  ["cursor=", /^cursor is not/],
] as const;

for (const [query, message] of wrongQueries) {
  test(`?${query} is refused in words`, async () => {
    const problem = await problemOf(await makeTestApp().call("anna", "GET", `/api/v1/deployments?${query}`));
    assert.equal(problem.code, "REQUEST_INVALID");
    assert.match(problem.detail, message);
  });
}

const wrongBodies = [
  ["an unknown key", '{"to": 6, "tow": 7}', /^body: must NOT have additional properties: tow$/],
  ["a wrong type", '{"to": "6"}', /^body\/to: /],
  ["__proto__", '{"__proto__": {"to": 6}}', /^body: must NOT have additional properties: __proto__$/],
  ["an array", "[]", /^body: must be object$/],
  ["no JSON", "{to: 6}", /^the body is not JSON$/],
  ["invalid UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /^the body is not UTF-8$/],
] as const;

for (const [what, body, message] of wrongBodies) {
  test(`a body with ${what} is refused in words`, async () => {
    const headers = { authorization: "Bearer jon", "content-type": "application/json" };
    const { app, release } = makeTestApp();
    const problem = await problemOf(await app.request(`${production}/rollback`, { method: "POST", headers, body }));
    assert.equal(problem.status, 400);
    assert.match(problem.detail, message);
    assert.deepEqual(release.acts, []);
  });
}

test("JSON in a form's clothes is refused: a form needs no permission to cross origins", async () => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]) {
    const headers = { authorization: "Bearer jon", "content-type": type };
    const response = await makeTestApp().app.request(`${production}/hold`, { method: "POST", headers, body: "{}" });
    assert.match((await problemOf(response)).detail, /content-type is ".*", not application\/json/);
  }
});

test("a body over its bound is refused while it still comes in", async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65_536;
      controller.enqueue(new Uint8Array(65_536).fill(0x20));
    },
  });
  const headers = { authorization: "Bearer jon", "content-type": "application/json" };
  const init = { method: "POST", headers, body: endless, duplex: "half" } as const;
  const problem = await problemOf(await makeTestApp().app.request(`${production}/hold`, init));
  assert.equal(problem.code, "BODY_TOO_LARGE");
  assert.equal(problem.status, 413);
  assert.ok(sent <= 4 * 65_536, `${sent} bytes were read`);
});
