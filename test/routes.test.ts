import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Hono } from "hono";
import { makeAccess } from "../src/access/access.ts";
import { silentLog } from "../src/core/log.ts";
import type { Clock } from "../src/core/clock.ts";
import type { Identity } from "../src/core/identity.ts";
import { makeHttpApp } from "../src/http/app.ts";
import type { Audience, Route } from "../src/http/route.ts";
import { routeTable } from "../src/http/routes.ts";
import { defaultOrigin } from "../src/gateway/launch.ts";
import { makeAccessStore } from "../src/store/access.ts";
import { makeTestApp } from "./support/http-app.ts";
import { testDatabase } from "./support/postgres.ts";

// Every route × who asks, with real credentials from a real database. The rows are the app's own route table, so a
// route cannot be missing from it; the columns are below.

// "another's" is a viewer of another deployment than the one that the routes name.
const columns = ["nobody", "garbage", "expired", "revoked", "another's", "viewer", "member", "admin"] as const;
type Column = (typeof columns)[number];

/** Who may call a route of each audience; whoever is not named is turned away. */
const admitted: Record<Audience, ReadonlySet<Column>> = {
  public: new Set(columns),
  "signed-in": new Set(["another's", "viewer", "member", "admin"]),
  member: new Set(["member", "admin"]),
  admin: new Set(["admin"]),
};
/** What is not theirs to see is, for viewers, not there. */
const namesDeployment = /\/deployments\/.*:name$/;
const withoutIdentity: ReadonlySet<Column> = new Set(["nobody", "garbage", "expired", "revoked"]);

// One's own account: the columns with a role are tokens of programs, which have none, so only an administrator's passes.
const ownAccount = new Set(["POST /account/password", "POST /account/tokens"]);

const operator: Identity = { name: "operator", kind: "token", role: "admin", groups: [] };
let nowMs = Date.UTC(2026, 0, 1);
const clock: Clock = { now: () => new Date(nowMs), sleep: () => Promise.resolve() };

let database: Awaited<ReturnType<typeof testDatabase>>;
let fakes: ReturnType<typeof makeTestApp>;
let app: Hono;
const credentials = new Map<Column, string>();

before(async () => {
  database = await testDatabase();
  fakes = makeTestApp();
  const origin = defaultOrigin(8080);
  const access = await makeAccess({ store: makeAccessStore(database.db), clock, log: silentLog, origin });
  const viewersOf = (deployment: string): readonly string[] => [
    deployment === parameters["name"] ? "viewer" : "another",
  ];
  const accessRule: typeof fakes.dependencies.accessRule = async ({ deployment }) => ({
    visibility: "viewers",
    viewers: viewersOf(deployment),
    public: [],
  });
  app = makeHttpApp({ ...fakes.dependencies, access, accessRule });
  const token = async (name: string, role: Identity["role"], expiresAt: Date | null = null) => {
    const made = await access.createToken(operator, { name, role, isService: true, expiresAt });
    return { id: made.token.id, secret: made.secret.reveal() };
  };
  for (const role of ["viewer", "member", "admin"] as const) credentials.set(role, (await token(role, role)).secret);
  credentials.set("another's", (await token("another", "viewer")).secret);
  credentials.set("expired", (await token("expired", "admin", new Date(nowMs + 1000))).secret);
  nowMs += 60_000;
  const revoked = await token("revoked", "admin");
  await access.revokeToken(operator, revoked.id);
  credentials.set("revoked", revoked.secret);
  // One character off a good one: right in form, wrong in fact.
  const good = credentials.get("admin") ?? "";
  credentials.set("garbage", good.slice(0, -8) + good.slice(-8).split("").toReversed().join(""));
});

after(async () => {
  fakes.stop();
  await database.close();
});

const parameters: Record<string, string> = {
  repository: "shop",
  environment: "production",
  name: "ranker",
  id: "t1",
  file: "shop.git",
};
const pathOf = ({ path }: Route): string =>
  path.replaceAll(/:(\w+)/g, (_, name: string) => parameters[name] ?? "x").replace("*", "info/refs");

async function statusOf(route: Route, column: Column): Promise<{ status: number; location: string }> {
  const secret = credentials.get(column);
  const response = await app.request(pathOf(route), {
    method: route.method,
    headers: {
      host: "localhost:8080",
      ...(secret && { authorization: `Bearer ${secret}` }),
      ...(route.body && { "content-type": "application/json" }),
    },
    ...(route.body && { body: "{}" }),
    signal: AbortSignal.timeout(30_000),
  });
  await response.body?.cancel();
  return { status: response.status, location: response.headers.get("location") ?? "" };
}

for (const route of routeTable(makeTestApp().dependencies)) {
  const audience = ownAccount.delete(`${route.method} ${route.path}`) ? "admin" : route.audience;
  test(`${route.method} ${route.path}: ${audience}`, async () => {
    for (const column of columns) {
      const { status, location } = await statusOf(route, column);
      const isSentToSignIn = status === 303 && location.startsWith("/sign-in");
      const what = `${column} is answered ${status} ${location}`;
      if (column === "another's" && audience === "signed-in" && namesDeployment.test(route.path)) {
        assert.equal(status, 404, what);
      } else if (admitted[audience].has(column)) {
        if (namesDeployment.test(route.path) && audience === "signed-in") assert.equal(status, 200, what);
        assert.notEqual(status, 403, what);
        if (audience !== "public") assert.ok(status !== 401 && !isSentToSignIn, what);
      } else if (withoutIdentity.has(column)) {
        assert.ok(status === 401 || isSentToSignIn, what);
      } else {
        assert.equal(status, 403, what);
      }
    }
  });
}

test("every exception names a route", () => assert.deepEqual([...ownAccount], []));
