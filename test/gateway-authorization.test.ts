import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mintSecret } from "../src/access/proof/token.ts";
import { authorizePath, type Dialect } from "../src/targets/authorization.ts";
import { startSleepWorld } from "./support/sleep-world.ts";
import {
  ask as askPort,
  bootstrap,
  open,
  signedIn,
  stack,
  startGateway,
  until,
  type Answer,
  type GatewayUnderTest,
} from "./support/gateway.ts";

// What an entrance of somebody else's asks, and what it is told. The address is that of the gateway itself.

let gateway: GatewayUnderTest;
before(async () => {
  gateway = await startGateway();
});
after(() => gateway[Symbol.asyncDispose]());

interface Held {
  readonly label?: string;
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
}

/** As each kind of entrance asks about the request that it holds. */
function ask(dialect: Dialect, held: Held = {}): Promise<Answer> {
  const { label = "ranker", path = "/", method = "GET", headers = {} } = held;
  const host = held.host ?? `${label}.localhost:${gateway.port}`;
  const to = authorizePath(dialect, label);
  const waybill = "waybill.waybill.svc.cluster.local:8080";
  switch (dialect) {
    case "nginx": {
      const own = { "x-original-url": `https://${host}${path}`, "x-original-method": method };
      return gateway.ask({ path: to, host: waybill, headers: { ...own, ...headers } });
    }
    case "traefik": {
      const own = { "x-forwarded-host": host, "x-forwarded-uri": path, "x-forwarded-method": method };
      return gateway.ask({ path: to, host: waybill, headers: { ...own, ...headers } });
    }
    case "envoy":
      return gateway.ask({ path: to + path, host, method, headers });
    default:
      return dialect satisfies never;
  }
}

const dialects = ["nginx", "traefik", "envoy"] as const;
const browser = { accept: "text/html", "sec-fetch-mode": "navigate" };
const token = { authorization: `Bearer ${bootstrap}` };
const host = (label: string): string => `${label}.localhost:${gateway.port}`;

async function sessionCookie(label: string, user = "ada"): Promise<string> {
  const [parent, own] = [mintSecret(), mintSecret()];
  const until = new Date(Date.now() + 60_000);
  await gateway.store.addUser({ name: user, role: "viewer", groups: ["search", "ops"] }).catch(() => undefined);
  const life = { expiresAt: until, endsAt: until };
  await gateway.store.addSession({ hash: parent.hash, subject: { kind: "user", name: user }, ...life });
  await gateway.store.addHostSession({ hash: own.hash, host: label, parent: parent.hash }, new Date(), until);
  return `${gateway.access.cookies.session}=${own.secret.reveal()}`;
}

for (const dialect of dialects) {
  test(`${dialect}: nobody is refused, a token and a session pass with who it is`, async () => {
    await gateway.route({ access: signedIn });
    const program = await ask(dialect, { path: "/a?b=c" });
    assert.equal(program.status, dialect === "nginx" ? 403 : 401);
    assert.equal(program.headers["x-waybill-refusal"], "ranker");
    const page = await ask(dialect, { path: "/a?b=c", headers: browser });
    if (dialect === "nginx") {
      // It begins to sign in by its own setting, at a fixed address.
      assert.deepEqual([page.status, page.headers.location, page.headers["set-cookie"]], [401, undefined, undefined]);
    } else {
      assert.equal(page.status, 302);
      const location = new URL(String(page.headers.location));
      assert.equal(location.searchParams.get("return"), `http://${host("ranker")}/a?b=c`);
      assert.equal(page.headers["set-cookie"]?.length, 1);
    }
    const known = await ask(dialect, { headers: token });
    assert.equal(known.status, 200);
    assert.equal(known.headers["x-waybill-user"], "bootstrap");
    assert.equal(known.headers["x-waybill-role"], "admin");
    assert.equal(known.headers["x-waybill-groups"], "");
    // What was meant for Waybill does not go on.
    assert.ok(!known.headers["authorization" as "age"]);
    const cookie = await sessionCookie("ranker");
    const visitor = await ask(dialect, { headers: { cookie: `theme=dark; ${cookie}`, authorization: "Basic YTpi" } });
    assert.deepEqual([visitor.status, visitor.headers["x-waybill-user"]], [200, "ada"]);
    assert.equal(visitor.headers["x-waybill-groups"], "search,ops");
    assert.equal(visitor.headers["cookie" as "age"], "theme=dark");
    assert.equal(visitor.headers["authorization" as "age"], "Basic YTpi");
  });

  test(`${dialect}: what is public passes with empty names in place of a visitor's own`, async () => {
    await gateway.route({ access: { ...signedIn, public: ["/open/*"] } });
    const forged = { "x-waybill-user": "root", "x-waybill-role": "admin", "x-waybill-groups": "ops" };
    const passed = await ask(dialect, { path: "/open/a", headers: forged });
    assert.equal(passed.status, 200);
    for (const name of Object.keys(forged)) assert.equal(passed.headers[name], "", name);
    // Who wants to know whether Waybill decides there is refused there, too.
    const probe = await ask(dialect, { path: "/open/a", headers: { ...token, "x-waybill-probe": "1" } });
    assert.deepEqual([probe.status, probe.headers["x-waybill-refusal"]], [dialect === "nginx" ? 403 : 401, "ranker"]);
    // Envoy keeps a visitor's header that the answer does not have.
    assert.equal("cookie" in passed.headers, dialect === "envoy");
    for (const path of ["/open/../secret", "/open/%2e%2e/secret", "/open//a", "/open/..%2fa", "/open;/a", "/OPEN/a"]) {
      assert.notEqual((await ask(dialect, { path })).status, 200, path);
    }
  });

  test(`${dialect}: one host's address answers for no other, nor a session`, async () => {
    await gateway.route({ host: "open", access: open });
    await gateway.route({ access: signedIn });
    const other = await ask(dialect, { label: "ranker", host: host("open") });
    assert.equal(other.status, dialect === "nginx" ? 403 : 400);
    const cookie = await sessionCookie("open");
    assert.notEqual((await ask(dialect, { headers: { cookie } })).status, 200);
    assert.equal((await ask(dialect, { label: "open", headers: { cookie } })).headers["x-waybill-user"], "ada");
  });

  test(`${dialect}: a session does not speak for another site's page, nor for its WebSocket`, async () => {
    await gateway.route({ access: signedIn });
    const cookie = await sessionCookie("ranker");
    const from = { cookie, origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    assert.equal((await ask(dialect, { headers: from })).status, 200);
    assert.notEqual((await ask(dialect, { method: "POST", headers: from })).status, 200);
    const socket = { ...from, "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    assert.notEqual((await ask(dialect, { headers: socket })).status, 200);
  });

  test(`${dialect}: unknown hosts, Waybill's own paths and what is paused do not pass`, async () => {
    assert.equal((await ask(dialect, { label: "nobody" })).status, dialect === "nginx" ? 403 : 404);
    await gateway.route({ access: open });
    for (const path of ["/.waybill/callback", "/.waybill/authorize/nginx/ranker", "/.waybill"]) {
      assert.notEqual((await ask(dialect, { path })).status, 200, path);
    }
    await gateway.route({ access: open, upstream: { kind: "none", reason: "paused by ada" } });
    const paused = await ask(dialect);
    assert.equal(paused.status, 503);
    assert.match(paused.body, /paused by ada/);
  });
}

test("only what the one kind of entrance sets itself is read, and only once", async () => {
  await gateway.route({ access: { ...signedIn, public: ["/open"] } });
  const elsewhere = {
    nginx: { "x-forwarded-uri": "/open", "x-forwarded-host": host("ranker"), "x-forwarded-method": "GET" },
    traefik: { "x-original-url": `https://${host("ranker")}/open`, "x-original-method": "GET" },
    envoy: {
      "x-original-url": `https://${host("ranker")}/open`,
      "x-forwarded-uri": "/open",
      "x-envoy-original-path": "/open",
    },
  };
  for (const dialect of dialects) {
    assert.equal((await ask(dialect, { path: "/open" })).status, 200);
    assert.notEqual((await ask(dialect, { path: "/shut", headers: elsewhere[dialect] })).status, 200);
  }
  const urls = [`https://${host("ranker")}/open`, `https://${host("ranker")}/shut`];
  for (const twice of [urls, urls.toReversed()]) {
    assert.equal((await ask("nginx", { headers: { "x-original-url": twice } })).status, 400);
  }
  const wrong = ["/open", "https://", `https://a@${host("ranker")}/open`, `ftp://${host("ranker")}/open`, "https://x"];
  for (const url of wrong) {
    assert.notEqual((await ask("nginx", { headers: { "x-original-url": url } })).status, 200, url);
  }
  assert.equal((await ask("traefik", { headers: { "x-forwarded-uri": "open" } })).status, 400);
  for (const path of ["/.waybill/authorize/", "/.waybill/authorize/apache/ranker", "/.waybill/authorize/nginx/a.b"]) {
    assert.equal((await gateway.ask({ path })).status, 400, path);
  }
});

test("an entrance that can only send to a fixed address begins to sign in there, and comes back", async () => {
  await gateway.route({ access: signedIn });
  const begin = async (rd: string): Promise<string | null> => {
    const path = `/.waybill/sign-in?rd=${encodeURIComponent(rd)}`;
    const { status, headers } = await gateway.ask({ path, headers: browser });
    assert.equal(status, 302);
    assert.equal(headers["set-cookie"]?.length, 1);
    return new URL(String(headers.location)).searchParams.get("return");
  };
  const home = `http://${host("ranker")}/`;
  assert.equal(await begin(`http://${host("ranker")}/a?b=c`), `http://${host("ranker")}/a?b=c`);
  for (const rd of ["https://evil.example/", `http://${host("other")}/`, "//evil.example", `${home}.waybill/x`, ""]) {
    assert.equal(await begin(rd), home, rd);
  }
  assert.equal((await gateway.ask({ path: "/.waybill/sign-in" })).status, 401);
});

test("who may pass has waited for what slept, and nobody else wakes it", async () => {
  await using world = await startSleepWorld(1);
  const { port, routes } = world.gateway;
  const [route] = await routes.list(stack);
  assert.ok(route);
  await routes.put({ ...route, access: signedIn });
  await until(async () => (await world.stage()) === "asleep", "it sleeps", 20_000);
  const about = (headers: Record<string, string>): Promise<Answer> => {
    const held = {
      "x-forwarded-host": `ranker.localhost:${port}`,
      "x-forwarded-uri": "/",
      "x-forwarded-method": "GET",
    };
    return askPort(port, { path: authorizePath("traefik", "ranker"), headers: { ...held, ...headers } });
  };
  assert.equal((await about({})).status, 401);
  assert.equal(await world.stage(), "asleep");
  assert.equal((await about(token)).status, 200);
  const answer = await askPort(world.port, {});
  assert.equal(answer.status, 200);
});
