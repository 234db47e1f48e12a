import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bootstrap, open, signedIn, startGateway, type GatewayUnderTest } from "./support/gateway.ts";

let gateway: GatewayUnderTest;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway[Symbol.asyncDispose]());

test("a host leads to its deployment, another to a page that says that nothing is there", async () => {
  const { port } = await gateway.upstream((request, response) => response.end(`${request.method} ${request.url}`));
  await gateway.route({ port, access: open });
  const answer = await gateway.ask({ path: "/a?b=c" });
  assert.deepEqual([answer.status, answer.body], [200, "GET /a?b=c"]);
  assert.match(String(answer.headers["x-request-id"]), /^[0-9a-f]{24}$/);
  const other = await gateway.ask({ host: `other.localhost:${gateway.port}` });
  assert.equal(other.status, 404);
  assert.equal(JSON.parse(other.body).code, "HOST_UNKNOWN");
});

test("without an identity a browser is sent to sign in, a program is told so, a token opens", async () => {
  const { port } = await gateway.upstream((request, response) => response.end(JSON.stringify(request.headers)));
  await gateway.route({ port, access: signedIn });
  const program = await gateway.ask({});
  assert.equal(program.status, 401);
  assert.equal(program.headers["www-authenticate"], 'Bearer realm="waybill"');
  const browser = await gateway.ask({ path: "/x?y=1", headers: { accept: "text/html" } });
  assert.equal(browser.status, 302);
  const location = new URL(String(browser.headers.location));
  assert.equal(location.origin, `http://localhost:${gateway.port}`);
  assert.equal(location.searchParams.get("return"), `http://ranker.localhost:${gateway.port}/x?y=1`);
  for (const authorization of [`token ${bootstrap}`, `Bearer ${bootstrap}`, `Basic ${btoa(`x:${bootstrap}`)}`]) {
    const answer = await gateway.ask({ headers: { authorization } });
    assert.equal(answer.status, 200, authorization);
    const seen = JSON.parse(answer.body) as Record<string, string>;
    assert.equal(seen["authorization"], undefined);
    assert.deepEqual([seen["x-waybill-user"], seen["x-waybill-role"]], ["bootstrap", "admin"]);
  }
});
