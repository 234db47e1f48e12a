import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { mintSecret, mintToken } from "../src/access/proof/token.ts";
import type { AccessRule } from "../src/targets/route.ts";
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

test("every rule × every kind of credential", async () => {
  const { port } = await gateway.upstream((request, response) =>
    response.end(request.headers["x-waybill-user"] ?? "nobody"),
  );
  const { store, access } = gateway;
  const viewers = (...names: string[]): AccessRule => ({ visibility: "viewers", viewers: names, public: ["/healthz"] });
  const rules = { open, signedIn, ofSearch: viewers("group:search"), ofAda: viewers("user:ada"), ofNobody: viewers() };
  for (const [name, rule] of Object.entries(rules))
    await gateway.route({ host: name.toLowerCase(), port, access: rule });

  await store.addUser({ name: "ada", role: "viewer", groups: ["search"] });
  await store.addUser({ name: "bob", role: "member", groups: [] });
  const [past, later] = [new Date(Date.now() - 1), new Date(Date.now() + 60_000)];
  const session = async (user: string, host: string, expiresAt: Date): Promise<Record<string, string>> => {
    const [parent, own] = [mintSecret(), mintSecret()];
    await store.addSession({
      hash: parent.hash,
      subject: { kind: "user", name: user },
      expiresAt: later,
      endsAt: later,
    });
    await store.addHostSession({ hash: own.hash, host, parent: parent.hash }, new Date(), expiresAt);
    return { cookie: `${access.cookies.session}=${own.secret.reveal()}` };
  };
  const token = async (
    name: string,
    expiresAt: Date | null,
    groups: string[] = [],
  ): Promise<Record<string, string>> => {
    const { secret, hash } = mintToken();
    const times = { createdAt: new Date(), expiresAt };
    await store.addToken({
      id: randomUUID(),
      hash,
      name,
      role: "viewer",
      groups,
      owner: null,
      createdBy: "x",
      ...times,
    });
    return { authorization: `token ${secret.reveal()}` };
  };
  const garbage = { cookie: `${access.cookies.session}=${"x".repeat(43)}` };
  const forgedToken = { authorization: `Bearer ${mintToken().secret.reveal()}` };
  const theirs = { authorization: "Bearer of-the-application" };
  const programs = { ...(await token("robot", null, ["search"])) };
  const old = await token("old", past);
  // Who asks; then what open, signedIn, ofSearch, ofAda and ofNobody answer.
  const table: readonly (readonly [string, (host: string) => Promise<Record<string, string>>, string])[] = [
    ["nobody", async () => ({}), "nobody 401 401 401 401"],
    ["garbage cookie", async () => garbage, "nobody 401 401 401 401"],
    ["a token that nobody made", async () => forgedToken, "nobody 401 401 401 401"],
    ["the application's own token", async () => theirs, "nobody 401 401 401 401"],
    ["an expired session", (host) => session("ada", host, past), "nobody 401 401 401 401"],
    ["an expired token", async () => old, "nobody 401 401 401 401"],
    ["another host's session", () => session("ada", "elsewhere", later), "nobody 401 401 401 401"],
    ["ada's session", (host) => session("ada", host, later), "ada ada ada ada 403"],
    ["bob's session", (host) => session("bob", host, later), "bob bob 403 403 403"],
    ["a program of the group", async () => programs, "robot robot robot 403 403"],
    [
      "the operator",
      async () => ({ authorization: `Bearer ${bootstrap}` }),
      "bootstrap bootstrap bootstrap bootstrap bootstrap",
    ],
  ];
  for (const [who, credential, wanted] of table) {
    const answers: string[] = [];
    for (const name of Object.keys(rules)) {
      const host = name.toLowerCase();
      const headers = await credential(host);
      const { status, body } = await gateway.ask({ host: `${host}.localhost:${gateway.port}`, headers });
      answers.push(status === 200 ? body : String(status));
      const health = await gateway.ask({ host: `${host}.localhost:${gateway.port}`, headers, path: "/healthz" });
      if (name.startsWith("of")) assert.equal(health.status, 200, `${who}: the public path of ${name}`);
    }
    assert.equal(answers.join(" "), wanted, who);
  }
});
