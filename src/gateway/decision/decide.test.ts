import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "../../core/identity.ts";
import type { AccessRule, Route, Upstream } from "../../targets/route.ts";
import { decide } from "./decide.ts";

const stack = { repository: "shop", environment: "production", deployment: "ranker" };
const http: Upstream = { kind: "http", hostname: "127.0.0.1", port: 8000, protocol: "http" };
const paused: Upstream = { kind: "none", reason: "paused by ada: too dear" };
const rule = (change: Partial<AccessRule>): AccessRule => ({
  visibility: "signed-in",
  viewers: [],
  public: [],
  ...change,
});
const route = (change: Partial<AccessRule>, upstream: Upstream = http): Route => ({
  host: "ranker",
  stack,
  upstream,
  access: rule(change),
});
const person = (name: string, role: Identity["role"], ...groups: string[]): Identity => ({
  name,
  kind: "user",
  role,
  groups,
});
const bob = person("bob", "viewer", "search");
const eve = person("eve", "member");
const ada = person("ada", "admin");

const onlySearch = { visibility: "viewers", viewers: ["group:search"] } as const;
const unknown = { visibility: "somebody" } as unknown as Partial<AccessRule>;

type Row = readonly [what: string, route: Route | null, path: string, who: Identity | null, kind: string];
const table: readonly Row[] = [
  ["no route", null, "/", null, "not-found"],
  ["no route, signed in", null, "/", ada, "not-found"],
  ["public", route({ visibility: "public" }), "/x", null, "pass"],
  ["signed-in, nobody", route({}), "/x", null, "unauthorized"],
  ["signed-in, anybody", route({}), "/x", bob, "pass"],
  ["viewers, nobody", route(onlySearch), "/", null, "unauthorized"],
  ["viewers, of the group", route(onlySearch), "/", bob, "pass"],
  ["viewers, another", route(onlySearch), "/", eve, "forbidden"],
  ["viewers, an administrator", route(onlySearch), "/", ada, "pass"],
  ["viewers, by user:", route({ visibility: "viewers", viewers: ["user:eve"] }), "/", eve, "pass"],
  ["viewers, by bare name", route({ visibility: "viewers", viewers: ["eve"] }), "/", eve, "pass"],
  ["viewers, a group's name is no user", route({ visibility: "viewers", viewers: ["search"] }), "/", bob, "forbidden"],
  ["viewers, none named", route({ visibility: "viewers" }), "/", eve, "forbidden"],
  ["a rule that is not known, nobody", route(unknown), "/", null, "unauthorized"],
  ["a rule that is not known, somebody", route(unknown), "/", bob, "pass"],
  ["public path, nobody", route({ public: ["/healthz"] }), "/healthz", null, "pass"],
  ["public path, who may not see the rest", route({ ...onlySearch, public: ["/healthz"] }), "/healthz", eve, "pass"],
  ["beside the public path", route({ public: ["/healthz"] }), "/healthz/", null, "unauthorized"],
  ["paused, open", route({ visibility: "public" }, paused), "/", null, "unavailable"],
  ["paused, nobody learns of it", route({}, paused), "/", null, "unauthorized"],
  ["paused, another learns nothing", route(onlySearch, paused), "/", eve, "forbidden"],
  ["paused, who may see", route(onlySearch, paused), "/", bob, "unavailable"],
  ["our path", route({}), "/.waybill/callback", null, "reserved"],
  ["our path where nothing is deployed", null, "/.waybill/sign-out", null, "reserved"],
  ["our path, climbing", route({ visibility: "public" }), "/.waybill/../api/v1", null, "not-found"],
  ["our path, encoded", route({ visibility: "public" }), "/.waybill/..%2fapi", null, "not-found"],
  ["our path, deeper", route({ visibility: "public" }), "/.waybill/callback/x", null, "not-found"],
  ["our path, bare", route({ visibility: "public" }), "/.waybill", null, "not-found"],
  ["a path that only looks like ours", route({ visibility: "public" }), "/.waybillion", null, "pass"],
];

for (const [what, given, path, who, kind] of table) {
  test(`decision: ${what}: ${kind}`, () => {
    assert.equal(decide({ path, isNavigation: false, isProbe: false }, given, who).kind, kind);
    const forBrowser = kind === "unauthorized" ? "redirect" : kind;
    assert.equal(decide({ path, isNavigation: true, isProbe: false }, given, who).kind, forBrowser);
  });
}

test("who asks to be refused is refused by the rule of any route, and learns no more than nobody", () => {
  const given = route({ visibility: "public", public: ["/*"] });
  for (const who of [null, ada]) {
    assert.equal(decide({ path: "/", isNavigation: false, isProbe: true }, given, who).kind, "unauthorized");
    assert.equal(decide({ path: "/", isNavigation: true, isProbe: true }, given, who).kind, "redirect");
  }
  assert.equal(decide({ path: "/", isNavigation: true, isProbe: true }, null, null).kind, "not-found");
});
