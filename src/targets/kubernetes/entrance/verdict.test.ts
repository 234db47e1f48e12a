import assert from "node:assert/strict";
import { test } from "node:test";
import { findingOf, type ClosedDoor, type Finding, type Reply } from "./verdict.ts";

const door: ClosedDoor = { host: "web", url: "https://web.apps.example.org", path: "/", isByWaybill: false };
const reply = (status: number, more: Partial<Reply> = {}): Reply => ({
  status,
  location: null,
  refusal: null,
  ...more,
});
const begin = "https://web.apps.example.org/.waybill/sign-in?rd=https://web.apps.example.org/";
const signIn = "https://apps.example.org/sign-in?return=x&state=y";

test("only a refusal that comes by the door itself counts", () => {
  const table: readonly (readonly [Reply, Finding, Finding])[] = [
    // the answer, what it means at a door of its own, and where Waybill itself is led to
    [reply(302, { location: begin }), "refused", "elsewhere"],
    [reply(302, { location: signIn, refusal: "web" }), "refused", "refused"],
    [reply(401, { refusal: "web" }), "refused", "refused"],
    [reply(403, { refusal: "web" }), "refused", "refused"],
    [reply(401, { refusal: "other" }), "elsewhere", "refused"],
    [reply(302, { location: signIn }), "elsewhere", "refused"],
    [reply(401), "elsewhere", "refused"],
    [reply(403), "elsewhere", "refused"],
    [reply(200), "open", "open"],
    [reply(200, { refusal: "web" }), "open", "open"],
    [reply(204), "open", "open"],
    [reply(304), "open", "open"],
    [reply(400), "open", "open"],
    [reply(405), "open", "open"],
    [reply(302, { location: "/login" }), "open", "open"],
    [reply(302, { location: "https://evil.example/.waybill/sign-in" }), "open", "open"],
    [reply(308, { location: "https://web.apps.example.org/" }), "elsewhere", "elsewhere"],
    [reply(302), "open", "open"],
    [reply(404), "elsewhere", "elsewhere"],
    [reply(500), "elsewhere", "elsewhere"],
    [reply(503), "elsewhere", "elsewhere"],
  ];
  for (const [answer, own, waybill] of table) {
    assert.equal(findingOf(door, answer), own, JSON.stringify(answer));
    assert.equal(findingOf({ ...door, isByWaybill: true }, answer), waybill, JSON.stringify(answer));
  }
});
