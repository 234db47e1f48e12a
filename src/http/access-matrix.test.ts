import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp, type Person } from "../../test/support/http-app.ts";
import type { Audience, Route } from "./route.ts";
import { routeTable } from "./routes.ts";

const values: Record<string, string> = {
  repository: "shop",
  environment: "production",
  name: "ranker",
  id: "t1",
  file: "shop.git",
};

const bodies: Record<string, unknown> = {
  ConnectRequest: { url: "https://example.org/team/other.git" },
  RollbackRequest: { to: 7 },
  PlanRequest: { files: [], trees: {} },
  SecretRequest: { value: "x" },
  StackState: { version: 3, deployment: {} },
  TokenRequest: { name: "ci" },
  InviteRequest: { name: "kim" },
};

const allowed: Record<Audience, readonly (Person | null)[]> = {
  public: [null, "vera", "jon", "anna"],
  "signed-in": ["vera", "jon", "anna"],
  member: ["jon", "anna"],
  admin: ["anna"],
};

const pathOf = (route: Route): string =>
  route.path.replaceAll(/:(\w+)/g, (_, name: string) => values[name] ?? "x").replace("*", "info/refs");

function send(route: Route, headers: Record<string, string>): Promise<Response> {
  const test = makeTestApp();
  const body = route.body === undefined ? undefined : JSON.stringify(bodies[route.body] ?? {});
  const init = {
    method: route.method,
    headers: { host: "localhost:8080", ...(body && { "content-type": "application/json" }), ...headers },
    ...(body && { body }),
    signal: AbortSignal.timeout(5000),
  };
  return Promise.resolve(test.app.request(pathOf(route), init)).finally(test.stop);
}

const isTurnedAway = (route: Route, response: Response): boolean =>
  response.status === 401 ||
  (route.voice === "page" && response.headers.get("location")?.startsWith("/sign-in") === true);

const signInRoutes = /^\/(?:sign-|\.waybill\/)/;
const table = routeTable(makeTestApp().dependencies);

for (const route of table) {
  test(`${route.method} ${route.path} is for ${route.audience}`, async () => {
    for (const person of [null, "vera", "jon", "anna"] as const) {
      const response = await send(route, person ? { authorization: `Bearer ${person}` } : {});
      const who = person ?? "nobody";
      if (allowed[route.audience].includes(person)) {
        assert.notEqual(response.status, 403, `${who} is let in`);
        if (!signInRoutes.test(route.path))
          assert.ok(!isTurnedAway(route, response), `${who} is let in, not ${response.status}`);
      } else if (person === null) {
        assert.ok(isTurnedAway(route, response), `nobody is turned away, not answered ${response.status}`);
      } else {
        assert.equal(response.status, 403, `${who} is refused`);
      }
      await response.body?.cancel();
    }
  });

  if (route.audience !== "public") {
    test(`${route.method} ${route.path} knows no garbage`, async () => {
      const garbage = [
        "Bearer nobody",
        "token",
        "Basic !!!",
        "Basic Og==",
        "Negotiate x",
        `Bearer ${"x".repeat(5000)}`,
      ];
      for (const authorization of garbage) {
        const response = await send(route, { authorization });
        assert.ok(isTurnedAway(route, response), `${authorization.slice(0, 20)} is answered ${response.status}`);
      }
    });
  }

  if (route.method !== "GET" && (route.voice === "api" || route.voice === "page")) {
    test(`${route.method} ${route.path} takes no cookie from another site's page`, async () => {
      const elsewhere = [
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site", origin: "http://ranker.localhost:8080" },
        { origin: "http://evil.example" },
        { origin: "null" },
      ];
      for (const headers of elsewhere) {
        const response = await send(route, { cookie: "session=anna", ...headers });
        assert.equal(response.status, 403, JSON.stringify(headers));
      }
    });
  }
}

test("every route of the app is in the table, and the other way round", () => {
  const { app } = makeTestApp();
  const served = app.routes.map(({ method, path }) => `${method} ${path}`).sort();
  assert.deepEqual(served, table.map(({ method, path }) => `${method} ${path}`).sort());
  assert.equal(new Set(served).size, served.length);
});
