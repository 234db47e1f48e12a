import assert from "node:assert/strict";
import { test } from "node:test";
import { makeTestApp, publicUrl } from "../../test/support/http-app.ts";
import { problemOf } from "../../test/support/problem.ts";
import { WaybillError } from "../core/errors.ts";
import { compileDefinitions } from "../spec/schema/schema-check.ts";
import { apiSchema } from "./body.ts";
import { routeTable } from "./routes.ts";

const definition = compileDefinitions(apiSchema);
const ranker = "/api/v1/repositories/shop/environments/production/deployments/ranker";
const production = "/api/v1/repositories/shop/environments/production";

const answers: readonly (readonly [method: string, path: string, body?: unknown])[] = [
  ["GET", "/healthz"],
  ["GET", "/api/v1/me"],
  ["POST", "/api/v1/rebuild"],
  ["GET", "/api/v1/repositories"],
  ["POST", "/api/v1/repositories", { url: "https://example.org/team/Other.git" }],
  ["GET", "/api/v1/environments"],
  ["GET", `${production}/snapshots`],
  ["POST", `${production}/rollback`, { to: 6, note: "slow" }],
  ["POST", `${production}/hold`, {}],
  ["POST", `${production}/release`],
  ["GET", "/api/v1/deployments"],
  ["GET", ranker],
  ["GET", `${ranker}/spec`],
  ["GET", `${ranker}/stack`],
  ["POST", `${ranker}/pause`, { reason: "lunch" }],
  ["POST", `${ranker}/resume`],
  ["POST", `${ranker}/restart`],
  ["POST", `${production}/plan`, { files: [{ path: "deployments/web.yaml", content: "kind: service\n" }], trees: {} }],
  ["POST", `${ranker}/runs`, { parameters: { epochs: 5 }, name: "by hand" }],
  ["GET", "/api/v1/runs"],
  ["GET", "/api/v1/runs/t1"],
  ["POST", "/api/v1/runs/t1/cancel"],
  ["POST", "/api/v1/runs/t1/retry"],
  ["POST", "/api/v1/runs/t1/rerun", { revision: "newest" }],
  ["GET", `${ranker}/schedules`],
  ["POST", `${ranker}/schedules/nightly/pause`, { reason: "holidays" }],
  ["POST", `${ranker}/schedules/nightly/resume`],
  ["GET", `${production}/events/order-placed`],
  ["POST", `${production}/events/order-placed/secret`],
  ["PUT", "/api/v1/repositories/shop/secrets/db", { value: "x" }],
  ["GET", "/api/v1/repositories/shop/secrets"],
  ["GET", "/api/v1/tokens"],
  ["POST", "/api/v1/tokens", { name: "ci" }],
  ["GET", "/api/v1/users"],
  ["POST", "/api/v1/users", { name: "kim", role: "viewer" }],
];

test("every answer has the shape that its description promises", async () => {
  const { app, call, dependencies, stop } = makeTestApp();
  const promised = routeTable(dependencies).filter(({ answer }) => answer.schema !== undefined);
  const seen = new Set<string>();
  for (const [method, path, body] of answers) {
    const response = await call("anna", method, path, body);
    const route = promised.find((one) => one.method === method && matches(one.path, path));
    assert.ok(route, `${method} ${path} promises a shape`);
    seen.add(`${route.method} ${route.path}`);
    assert.equal(response.status, route.answer.status, `${method} ${path}`);
    assert.deepEqual(definition(route.answer.schema ?? "")(await response.json()), [], `${method} ${path}`);
  }
  assert.deepEqual(
    promised.map((one) => `${one.method} ${one.path}`).filter((one) => !seen.has(one)),
    [],
  );
  assert.ok(app);
  stop();
});

const matches = (pattern: string, path: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+")}$`).test(path);

test("the description names every route of the API, and every schema that it speaks of", async () => {
  const { call, dependencies } = makeTestApp();
  const document = (await (await call(null, "GET", "/api/v1/openapi.json")).json()) as {
    paths: Record<string, Record<string, unknown>>;
    components: { schemas: Record<string, unknown> };
  };
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const routes = routeTable(dependencies).filter(({ voice }) => voice === "api");
  const table = routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
  // The description does not describe itself.
  assert.deepEqual(described.sort(), table.filter((one) => !one.endsWith("openapi.json")).sort());
  for (const [, name = ""] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    assert.ok(Object.hasOwn(document.components.schemas, name), name);
  }
});

test("lists come in pages, in one order", async () => {
  const { call } = makeTestApp();
  const names: string[] = [];
  let cursor: string | null = "";
  while (cursor !== null) {
    const response = await call(
      "anna",
      "GET",
      `/api/v1/deployments?limit=4${cursor === "" ? "" : `&cursor=${cursor}`}`,
    );
    const page = (await response.json()) as {
      deployments: { environment: string; name: string }[];
      next: string | null;
    };
    assert.ok(page.deployments.length <= 4);
    names.push(...page.deployments.map(({ environment, name }) => `${environment}/${name}`));
    cursor = page.next;
  }
  assert.deepEqual(names, [
    "production/docs",
    "production/mailer",
    "production/ranker",
    "production/web",
    "staging/ranker",
    "staging/web",
  ]);
});

test("a history comes newest first, page after page", async () => {
  const { call } = makeTestApp();
  type Page = { snapshots: { number: number }[]; next: string | null };
  const first = (await (await call("jon", "GET", `${production}/snapshots?limit=3`)).json()) as Page;
  assert.deepEqual(
    first.snapshots.map(({ number }) => number),
    [8, 7, 6],
  );
  const second = (await (
    await call("jon", "GET", `${production}/snapshots?limit=3&cursor=${first.next}`)
  ).json()) as Page;
  assert.deepEqual(second, { ...second, next: null });
  assert.deepEqual(
    second.snapshots.map(({ number }) => number),
    [5, 4],
  );
});

test("a viewer's list holds what access rules admit; the rest does not exist", async () => {
  const { call } = makeTestApp();
  const { deployments } = (await (await call("vera", "GET", "/api/v1/deployments")).json()) as {
    deployments: { name: string }[];
  };
  assert.deepEqual(
    deployments.map(({ name }) => name),
    ["ranker", "ranker"],
  );
  assert.equal((await call("vera", "GET", ranker)).status, 200);
  const hidden = await problemOf(await call("vera", "GET", ranker.replace("ranker", "web")));
  const absent = await problemOf(await call("vera", "GET", ranker.replace("ranker", "nope")));
  assert.equal(hidden.code, "NOT_FOUND");
  assert.equal(hidden.detail.replace("web", "nope"), absent.detail, "what is hidden and what is absent look the same");
});

test("a secret has any name that a file may give it", async () => {
  const { call, secrets } = makeTestApp();
  const path = "/api/v1/repositories/shop/secrets/db.url_2";
  assert.equal((await call("jon", "PUT", path, { value: "hunter2" })).status, 200);
  assert.equal(secrets.get("shop/*/db.url_2"), "hunter2");
  assert.equal((await call("jon", "DELETE", path)).status, 204);
});

test("a secret's value goes in and never comes out", async () => {
  const { call, secrets, release } = makeTestApp();
  const path = "/api/v1/repositories/shop/secrets/db";
  const set = await call("jon", "PUT", path, { value: "hunter2", environment: "staging" });
  assert.equal(secrets.get("shop/staging/db"), "hunter2");
  assert.doesNotMatch(await set.text(), /hunter2/);
  assert.doesNotMatch(await (await call("jon", "GET", "/api/v1/repositories/shop/secrets")).text(), /hunter2/);
  assert.equal((await call("jon", "DELETE", `${path}?environment=staging`)).status, 204);
  assert.equal((await call("jon", "DELETE", `${path}?environment=staging`)).status, 404);
  assert.deepEqual(release.acts, ["secrets changed in shop/staging", "secrets changed in shop/staging"]);
});

test("a specification is downloaded as JSON or YAML", async () => {
  const { call, release } = makeTestApp();
  const json = await call("jon", "GET", `${ranker}/spec?format=json`);
  assert.equal(json.headers.get("content-disposition"), 'attachment; filename="ranker.json"');
  assert.equal(((await json.json()) as { name: string }).name, "ranker");
  const yaml = await call("jon", "GET", `${ranker}/spec?format=yaml`);
  assert.equal(yaml.headers.get("content-type"), "application/yaml");
  assert.equal(
    await yaml.text(),
    await release.file({ repository: "shop", environment: "production", deployment: "ranker" }),
  );
  assert.equal((await call("jon", "GET", `${ranker}/spec?format=xml`)).status, 400);
});

test("a name that cannot be one names nothing, whatever it is made of", async () => {
  const { call } = makeTestApp();
  for (const name of ["..%2f..%2fetc", "UPPER", "a--b", "%00", "x".repeat(80)]) {
    assert.equal((await call("anna", "GET", ranker.replace("ranker", name))).status, 404, name);
  }
});

test("Git is asked for a token in its own way, and is told in text what is wrong", async () => {
  const { app, call } = makeTestApp();
  const asked = await call(null, "GET", "/git/shop.git/info/refs?service=git-upload-pack");
  assert.equal(asked.status, 401);
  assert.match(asked.headers.get("www-authenticate") ?? "", /^Basic realm=/);
  const refused = await call("vera", "GET", "/git/shop.git/info/refs");
  assert.match(await refused.text(), /^FORBIDDEN vera has the role viewer; this needs the role member\n$/);
  const authorization = `Basic ${Buffer.from("anything:jon").toString("base64")}`;
  const answered = await app.request("/git/shop.git/git-receive-pack", {
    method: "POST",
    headers: { authorization },
    body: "0000",
  });
  assert.equal(await answered.text(), "jon /git/shop.git/git-receive-pack");
});

test("every answer carries the strict headers", async () => {
  const { browse, call } = makeTestApp();
  const all = [
    await browse("anna", "/"),
    await browse(null, "/sign-in"),
    await call(null, "GET", "/api/v1/me"),
    await call("anna", "GET", "/nowhere"),
  ];
  for (const { headers } of all) {
    assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/);
    assert.doesNotMatch(headers.get("content-security-policy") ?? "", /unsafe/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
    assert.equal(headers.get("referrer-policy"), "same-origin");
    assert.equal(headers.get("cache-control"), "no-store");
  }
});

test("a defect is logged with its request's id, and its message stays here", async () => {
  const logged: object[] = [];
  const { dependencies } = makeTestApp();
  const { makeHttpApp } = await import("./app.ts");
  const release = {
    ...dependencies.release,
    deployments: () => Promise.reject(new Error("password=hunter2")),
    environments: () =>
      Promise.reject(new WaybillError("DATABASE_UNAVAILABLE", "PostgreSQL is away", { retryAfterMs: 2500 })),
  };
  const log = { ...dependencies.log, error: (fields: object) => void logged.push(fields) };
  const app = makeHttpApp({ ...dependencies, release, log });
  const headers = { authorization: "Bearer anna", "x-request-id": "r-1", host: new URL(publicUrl).host };
  const problem = await problemOf(await app.request("/api/v1/deployments", { headers }));
  assert.deepEqual([problem.code, problem.requestId], ["BUG", "r-1"]);
  assert.doesNotMatch(problem.detail, /hunter2/);
  assert.equal(logged.length, 1);
  const page = await app.request("/deployments/shop/production/web", { headers });
  assert.equal(page.status, 500);
  assert.doesNotMatch(await page.text(), /hunter2/);
  const away = await app.request("/api/v1/environments", { headers });
  assert.equal(away.headers.get("retry-after"), "3");
  assert.equal((await problemOf(away)).code, "DATABASE_UNAVAILABLE");
});
