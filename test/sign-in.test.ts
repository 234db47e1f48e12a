import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { after, before, test } from "node:test";
import { makeAccess } from "../src/access/access.ts";
import { systemClock } from "../src/core/clock.ts";
import { WaybillError } from "../src/core/errors.ts";
import type { Identity } from "../src/core/identity.ts";
import { silentLog } from "../src/core/log.ts";
import { Secret } from "../src/core/secret.ts";
import type { Landing } from "../src/access/host-session.ts";
import { defaultOrigin } from "../src/gateway/launch.ts";
import { bootstrap, signedIn, startGateway, until, type Answer, type GatewayUnderTest } from "./support/gateway.ts";

let gateway: GatewayUnderTest;
const operator: Identity = { name: "operator", kind: "token", role: "admin", groups: [] };
const password = new Secret("correct horse battery staple");

before(async () => {
  gateway = await startGateway();
  const { access, routes } = gateway;
  const api = await gateway.upstream((request, response) => void serveApi(request, response));
  await routes.setEndpoint({ hostname: "127.0.0.1", port: api.port });
  const app = await gateway.upstream((request, response) => response.end(JSON.stringify(request.headers)));
  await gateway.route({ port: app.port, access: signedIn });
  await gateway.route({ host: "other", port: app.port, access: signedIn });
  const { url } = await access.invite(operator, { user: "ada", role: "member", groups: ["search"] });
  await access.redeemLink({ link: linkOf(url), returnTo: null, state: null });
  await access.setPassword(operator, "ada", password);
});
after(() => gateway[Symbol.asyncDispose]());

/** The few pages of the server that sign-in is made of. */
async function serveApi(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { access } = gateway;
  const url = new URL(request.url ?? "/", "http://x");
  const { host = "", cookie = null } = request.headers;
  const onward = { returnTo: url.searchParams.get("return"), state: url.searchParams.get("state") };
  const land = ({ setCookie, location }: Landing): void => {
    response.writeHead(303, { "set-cookie": [...setCookie], location }).end();
  };
  try {
    if (url.pathname === "/sign-in" && request.method === "GET") {
      const landing = await access.continueSignIn({ ...onward, cookie });
      if (landing) land(landing);
      else response.end("the form");
    } else if (url.pathname === "/sign-in") {
      land(await access.signInWithPassword({ ...onward, name: "ada", password, address: "192.0.2.1" }));
    } else if (url.pathname === "/.waybill/callback") {
      land(
        await access.finishHostSession(url.searchParams.get("code") ?? "", host, new Headers({ cookie: cookie ?? "" })),
      );
    } else if (url.pathname === "/.waybill/sign-out") {
      land(await access.signOut({ cookie, host }));
    } else {
      const headers = new Headers(request.headers as Record<string, string>);
      response.end(JSON.stringify(await access.authenticate(headers, host, request.method)));
    }
  } catch (error) {
    response.writeHead(error instanceof WaybillError ? error.httpStatus : 500).end(String(error));
  }
}

const linkOf = (url: Secret): Secret => new Secret(new URL(url.reveal()).searchParams.get("token") ?? "");

/** A browser with cookies for each host. */
function browser() {
  const jar = new Map<string, Map<string, string>>();
  async function visit(url: string, method = "GET", headers: Record<string, string> = {}): Promise<Answer> {
    const { host, pathname, search } = new URL(url);
    const cookies = jar.get(host) ?? new Map<string, string>();
    jar.set(host, cookies);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const all = { accept: "text/html", ...(cookie && { cookie }), ...headers };
    const answer = await gateway.ask({ host, path: pathname + search, method, headers: all });
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (line.includes("Max-Age=0;")) cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }
  async function follow(url: string, hops = 6): Promise<Answer> {
    const answer = await visit(url);
    const { location } = answer.headers;
    return location === undefined || hops === 0 ? answer : follow(new URL(location, url).href, hops - 1);
  }
  return { jar, visit, follow };
}

const at = (label: string, path = "/"): string => `http://${label}${label ? "." : ""}localhost:${gateway.port}${path}`;

test("from a deployment's address by way of the sign-in page and back, once for every host", async () => {
  const { visit, follow, jar } = browser();
  const asked = await visit(at("ranker", "/reports?week=3"));
  const form = String(asked.headers.location);
  assert.equal((await visit(form)).body, "the form");
  const signedInNow = await visit(form, "POST");
  const callback = String(signedInNow.headers.location);
  assert.match(callback, /^http:\/\/ranker\.localhost:\d+\/\.waybill\/callback\?code=[\w-]{43}$/);
  const back = await visit(callback);
  assert.equal(back.headers.location, at("ranker", "/reports?week=3"));
  for (const line of back.headers["set-cookie"] ?? []) assert.match(line, /; Path=\/; HttpOnly; SameSite=Lax$/);
  const seen = JSON.parse((await visit(at("ranker"))).body) as Record<string, string>;
  assert.deepEqual(
    [seen["x-waybill-user"], seen["x-waybill-role"], seen["x-waybill-groups"]],
    ["ada", "member", "search"],
  );
  assert.equal(seen["cookie"], undefined, "the deployment sees none of our cookies");

  const other = await follow(at("other"));
  assert.equal((JSON.parse(other.body) as Record<string, string>)["x-waybill-user"], "ada", "no second form");

  const values = [...jar.values()].map((cookies) => [...cookies.values()][0]);
  assert.equal(new Set(values).size, 3, "each host has a session of its own");
  const [name = "", main = ""] = [...(jar.get(`localhost:${gateway.port}`) ?? [])][0] ?? [];
  const [, ofRanker = ""] = [...(jar.get(`ranker.localhost:${gateway.port}`) ?? [])][0] ?? [];
  assert.equal((await gateway.ask({ headers: { cookie: `${name}=${main}` } })).status, 401);
  const elsewhere = await gateway.ask({
    host: `other.localhost:${gateway.port}`,
    headers: { cookie: `${name}=${ofRanker}` },
  });
  assert.equal(elsewhere.status, 401);
  const api = await gateway.ask({ host: `localhost:${gateway.port}`, headers: { cookie: `${name}=${ofRanker}` } });
  assert.equal(api.body, "null", "an application that learned its host's session cannot use the server with it");

  await visit(at("other", "/.waybill/sign-out"), "POST");
  await until(async () => (await visit(at("ranker"))).status === 302, "signed out on every host");
});

test("a code works once, on its host, in the browser that began, and not after a minute", async () => {
  const { visit } = browser();
  const fresh = async (): Promise<string> => {
    const form = String((await visit(at("ranker"))).headers.location);
    return String((await visit(form, "POST")).headers.location);
  };
  const code = await fresh();
  assert.equal((await browser().visit(code)).status, 401, "another browser");
  assert.equal((await visit(code)).status, 401, "the try above used it up");
  const second = await fresh();
  assert.equal((await visit(second.replace("ranker.", "other."))).status, 401, "another host");
  const third = await fresh();
  assert.equal((await visit(third)).status, 303);
  assert.equal((await visit(third)).status, 401, "a second time");
  assert.equal((await visit(at("ranker", "/.waybill/callback?code="))).status, 401);
});

test("a cookie does not speak for another site's page", async () => {
  const { visit, follow } = browser();
  const form = String((await visit(at("ranker"))).headers.location);
  await visit(form, "POST");
  assert.equal((await follow(at("ranker"))).status, 200);
  const status = async (headers: Record<string, string>, method = "POST"): Promise<number> =>
    (await visit(at("ranker"), method, headers)).status;
  assert.equal(await status({ origin: at("ranker").slice(0, -1) }), 200);
  assert.equal(await status({ "sec-fetch-site": "same-origin" }), 200);
  assert.equal(await status({}), 200, "no browser sends neither");
  assert.equal(await status({ origin: "https://evil.example" }), 401);
  assert.equal(await status({ origin: at("other").slice(0, -1) }), 401, "a sibling is another site");
  assert.equal(await status({ origin: "null" }), 401);
  assert.equal(await status({ "sec-fetch-site": "same-site" }), 401);
  assert.equal(await status({ "sec-fetch-site": "cross-site" }, "DELETE"), 401);
  assert.equal(await status({ "sec-fetch-site": "cross-site" }, "GET"), 200, "a link from elsewhere");
  assert.equal(await status({ origin: "https://evil.example", authorization: `Bearer ${bootstrap}` }), 200);
});

test("a link signs in once, and makes the account that it is for", async () => {
  const { access } = gateway;
  const { url } = await access.invite(operator, { user: "grace", role: "viewer" });
  assert.equal(`${String(url)} ${JSON.stringify({ url })}`.includes("token="), false, "not shown by accident");
  assert.equal((await access.inspectLink(linkOf(url)))?.user, "grace");
  const step = { link: linkOf(url), returnTo: "/welcome", state: null };
  const both = await Promise.allSettled([access.redeemLink(step), access.redeemLink(step)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal((await access.listUsers(operator)).find(({ name }) => name === "grace")?.role, "viewer");
  const late = await access.invite(operator, { user: "late", lifeMs: -1 });
  await assert.rejects(access.redeemLink({ ...step, link: linkOf(late.url) }), { code: "SIGN_IN_FAILED" });
});

test("a role that is taken back, a user and a token that are removed, count at once", async () => {
  const { access } = gateway;
  const { url } = await access.invite(operator, { user: "temp", role: "member" });
  await access.redeemLink({ link: linkOf(url), returnTo: null, state: null });
  const temp: Identity = { name: "temp", kind: "user", role: "member", groups: [] };
  const { token, secret } = await access.createToken(temp, { name: "laptop" });
  const seen = async (): Promise<string> => {
    const answer = await gateway.ask({ headers: { authorization: `Bearer ${secret.reveal()}` } });
    if (answer.status !== 200) return String(answer.status);
    const headers = JSON.parse(answer.body) as Record<string, string>;
    return `${headers["x-waybill-user"]} ${headers["x-waybill-role"]}`;
  };
  assert.equal(await seen(), "temp member");
  await access.changeUser(operator, "temp", { role: "viewer" });
  await until(async () => (await seen()) === "temp viewer", "the new role");
  const second = await access.createToken({ ...temp, role: "viewer" }, { name: "phone" });
  await access.revokeToken(temp, token.id);
  await until(async () => (await seen()) === "401", "the token is gone");
  await access.removeUser(operator, "temp");
  const phone = { authorization: `Bearer ${second.secret.reveal()}` };
  await until(async () => (await gateway.ask({ headers: phone })).status === 401, "the user is gone");
});

test("tokens: of no more than one's own role, in one's own name, never another's", async () => {
  const { access } = gateway;
  const ada: Identity = { name: "ada", kind: "user", role: "member", groups: ["search"] };
  await assert.rejects(access.createToken(ada, { name: "x", role: "admin" }), { code: "FORBIDDEN" });
  await assert.rejects(access.createToken(ada, { name: "x", isService: true }), { code: "FORBIDDEN" });
  await assert.rejects(access.createToken(operator, { name: "ada", isService: true }), { code: "CONFLICT" });
  const { token } = await access.createToken(ada, { name: "ci", role: "viewer" });
  await assert.rejects(access.createToken(ada, { name: "ci" }), { code: "CONFLICT" });
  assert.deepEqual(
    (await access.listTokens(ada)).map(({ name }) => name),
    ["ci"],
  );
  const bob: Identity = { ...ada, name: "bob" };
  await assert.rejects(access.revokeToken(bob, token.id), { code: "NOT_FOUND" });
  await access.revokeToken(ada, token.id);
});

test("guesses become slow, and tell nothing about who exists", async () => {
  const now = new Date();
  const access = await makeAccess({
    store: gateway.store,
    // On a busy machine checking one guess takes longer than the pause before the next.
    clock: { ...systemClock, now: () => now },
    log: silentLog,
    origin: defaultOrigin(gateway.port),
    bootstrapToken: new Secret(bootstrap),
  });
  const guess = (name: string, address: string) =>
    access.signInWithPassword({ name, password: new Secret("wrong"), address, returnTo: null, state: null });
  const texts: string[] = [];
  const right = { name: "ada", password, returnTo: null, state: null };
  for (const name of ["nobody", "ada"]) {
    for (let index = 0; index < 5; index += 1) {
      await guess(name, "198.51.100.9").catch((error: unknown) => texts.push(String(error)));
    }
    await assert.rejects(guess(name, "198.51.100.9"), { code: "SIGN_IN_LIMITED" });
  }
  assert.equal(new Set(texts).size, 1);
  await assert.rejects(access.signInWithPassword({ ...right, address: "198.51.100.9" }), { code: "SIGN_IN_LIMITED" });
  assert.ok((await access.signInWithPassword({ ...right, name: "ADA", address: "198.51.100.10" })).location);
});
