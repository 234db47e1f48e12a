import assert from "node:assert/strict";
import { test } from "node:test";
import { findingOf, type ProbedDoor, type Finding, type Reply } from "./verdict.ts";

const door: ProbedDoor = {
  host: "web",
  url: "https://web.apps.example.org",
  path: "/",
  isPublic: false,
  signIn: "https://apps.example.org/sign-in",
  by: "controller",
};
const reply = (status: number, more: Partial<Reply> = {}): Reply => ({
  status,
  location: null,
  refusal: null,
  ...more,
});
const begin = "https://web.apps.example.org/.waybill/sign-in?rd=https://web.apps.example.org/";
const signIn = "https://apps.example.org/sign-in?return=x&state=y";

test("only a refusal that comes by the door itself counts", () => {
  const table: readonly (readonly [Reply, Finding, Finding, Finding])[] = [
    // the answer; what it means where a controller decides, where one leads to Waybill, and at the gateway
    [reply(302, { location: begin }), "refused", "elsewhere", "elsewhere"],
    [reply(302, { location: signIn, refusal: "web" }), "refused", "refused", "refused"],
    [reply(401, { refusal: "web" }), "refused", "refused", "refused"],
    [reply(403, { refusal: "web" }), "refused", "refused", "refused"],
    [reply(401, { refusal: "other" }), "elsewhere", "refused", "elsewhere"],
    [reply(302, { location: signIn }), "elsewhere", "refused", "refused"],
    [reply(302, { location: "https://evil.example/sign-in" }), "open", "open", "open"],
    [reply(302, { location: "/sign-in" }), "open", "open", "open"],
    [reply(401), "elsewhere", "refused", "elsewhere"],
    [reply(403), "elsewhere", "refused", "elsewhere"],
    [reply(200), "open", "open", "open"],
    [reply(200, { refusal: "web" }), "open", "open", "open"],
    [reply(204), "open", "open", "open"],
    [reply(304), "open", "open", "open"],
    [reply(400), "open", "open", "open"],
    [reply(405), "open", "open", "open"],
    [reply(302, { location: "/login" }), "open", "open", "open"],
    [reply(302, { location: "https://evil.example/.waybill/sign-in" }), "open", "open", "open"],
    [reply(308, { location: "https://web.apps.example.org/" }), "elsewhere", "elsewhere", "elsewhere"],
    [reply(302), "open", "open", "open"],
    [reply(404), "elsewhere", "elsewhere", "elsewhere"],
    [reply(500), "elsewhere", "elsewhere", "elsewhere"],
    [reply(503), "elsewhere", "elsewhere", "elsewhere"],
  ];
  for (const [answer, own, waybill, gateway] of table) {
    assert.equal(findingOf(door, answer), own, JSON.stringify(answer));
    assert.equal(findingOf({ ...door, by: "controller-to-waybill" }, answer), waybill, JSON.stringify(answer));
    assert.equal(findingOf({ ...door, by: "gateway" }, answer), gateway, JSON.stringify(answer));
  }
});
