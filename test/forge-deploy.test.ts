import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { site, startServed, until, type Clone, type Served } from "./support/served.ts";

// A repository on a real forge: live by its signed webhook, and where that is lost by the next look; its tags go back.

const { FORGE_URL: forgeUrl = "", FORGE_USER: user = "", FORGE_TOKEN: forgeToken = "" } = process.env;
const skip = forgeUrl === "" ? "FORGE_URL is not set: no Git forge to test with" : false;
const repository = `live-${randomUUID()}`;
const hooks = `/repos/${user}/${repository}/hooks`;

let served: Served;
let work: Clone;

async function forge(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${forgeUrl}/api/v1${path}`, {
    method,
    headers: { authorization: `token ${forgeToken}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

before(async () => {
  if (skip) return;
  await forge("POST", "/user/repos", { name: repository, private: true, default_branch: "main" });
  served = await startServed();
  work = await served.clone("work");
  await work.git("remote", "set-url", "origin", `${forgeUrl}/${user}/${repository}.git`);
  await work.git("config", "http.extraHeader", `Authorization: token ${forgeToken}`);
});
after(async () => {
  if (skip) return;
  await served.close();
  await forge("DELETE", `/repos/${user}/${repository}`);
});

async function push(text: string): Promise<void> {
  const { exitCode, stderr } = await work.push({ "deployments/handbook.yaml": site("page"), "page/index.html": text });
  assert.equal(exitCode, 0, stderr);
}

const comes = (what: string, holds: () => Promise<boolean>): Promise<void> =>
  until(what, holds).catch((error: unknown) => assert.fail(`${String(error)}\n${served.server().log()}`));

const isLive = (text: string): Promise<void> =>
  comes(`${text} is live`, async () => (await served.get("handbook")).body === text);

const isOnForge = (tag: string): Promise<void> =>
  comes(`${tag} is on the forge`, async () =>
    (await work.git("ls-remote", "--tags", "origin")).split("\n").some((line) => line.endsWith(`refs/tags/${tag}`)),
  );

test("a push to a forge is live by its webhook alone", { skip, timeout: 120_000 }, async () => {
  await served.start({ stopWorkloads: true, env: { WAYBILL_POLL_INTERVAL: "24h" } });
  await push("first");
  const url = `${forgeUrl}/${user}/${repository}.git`;
  const credentials = `${user}:${forgeToken}`;
  const { status, body } = await served.api("POST", "/repositories", { url, name: "handbook", credentials });
  assert.equal(status, 201, JSON.stringify(body));
  await isLive("first");
  await isOnForge("waybill/production/1");
  const { webhook } = body as { webhook: { url: string; secret: string } };
  const config = { url: webhook.url, content_type: "json", secret: webhook.secret };
  await forge("POST", hooks, { type: "gitea", active: true, events: ["push"], config });
  await push("by webhook");
  await isLive("by webhook");
  await isOnForge("waybill/production/2");
});

test(
  "without its webhook, a push and a deleted tag are followed by the next look",
  { skip, timeout: 120_000 },
  async () => {
    for (const { id } of (await forge("GET", hooks)) as { id: number }[]) await forge("DELETE", `${hooks}/${id}`);
    await served.stop();
    await served.start({ stopWorkloads: true, env: { WAYBILL_POLL_INTERVAL: "1s" } });
    await push("by polling");
    await isLive("by polling");
    await isOnForge("waybill/production/3");
    await work.git("push", "--quiet", "origin", "--delete", "waybill/production/3");
    await isLive("by webhook");
    await isOnForge("waybill/production/4");
  },
);
