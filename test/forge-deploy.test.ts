import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./support/ask.ts";
import { temporaryFolder, workingCopy } from "./support/repository.ts";
import { freePort, newToken, startServerProcess } from "./support/server-process.ts";

// A repository on a real forge, from its signed webhook to a live site and back to its tags; then without the webhook.

const { FORGE_URL: forgeUrl = "", FORGE_USER: user = "", FORGE_TOKEN: forgeToken = "" } = process.env;
const skip = forgeUrl === "" ? "FORGE_URL is not set: no Git forge to test with" : false;
const pollIntervalMs = 2_000;
const spec = "apiVersion: waybill/v1\nkind: site\nsource: {path: page}\naccess: {visibility: public}\n";

async function forge(method: string, path: string, body?: object): Promise<void> {
  const response = await fetch(`${forgeUrl}/api/v1${path}`, {
    method,
    headers: { authorization: `token ${forgeToken}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`);
}

async function until(what: string, holds: () => Promise<boolean>): Promise<number> {
  const startedAtMs = Date.now();
  while (!(await holds())) {
    assert.ok(Date.now() - startedAtMs < 30_000, `not within 30 s: ${what}`);
    await sleep(50);
  }
  return Date.now() - startedAtMs;
}

test(
  "a push to a forge is live by its webhook, and by the next look without it",
  { skip, timeout: 120_000 },
  async () => {
    await using folder = await temporaryFolder();
    await chmod(folder.path, 0o711);
    const [port, token] = [await freePort(), newToken()];
    const server = await startServerProcess({
      data: join(folder.path, "data"),
      port,
      token,
      env: { WAYBILL_POLL_INTERVAL_MS: String(pollIntervalMs) },
    });
    const repository = `live-${randomUUID()}`;
    try {
      await forge("POST", "/user/repos", { name: repository, private: true, default_branch: "main" });
      const url = `${forgeUrl}/${user}/${repository}.git`;
      const work = await workingCopy(join(folder.path, "work"));
      await work.git("remote", "add", "origin", url);
      await work.git("config", "http.extraHeader", `Authorization: token ${forgeToken}`);
      const push = async (text: string): Promise<void> => {
        await work.write({ "deployments/handbook.yaml": spec, "page/index.html": text });
        await work.commit(text);
        await work.git("push", "--quiet", "origin", "main");
      };
      const shows = async (text: string): Promise<boolean> =>
        (await ask({ port, host: `handbook.localhost:${port}` })).body === text;
      await push("first");
      const connected = await fetch(`http://localhost:${port}/api/v1/repositories`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ url, name: "handbook", credentials: `${user}:${forgeToken}` }),
      });
      assert.equal(connected.status, 201, await connected.clone().text());
      const { webhook } = (await connected.json()) as { webhook: { url: string; secret: string } };
      await until("the first version", () => shows("first"));
      await until("the tag on the forge", async () => {
        return (await work.git("ls-remote", "--tags", "origin")).includes("refs/tags/waybill/production/1");
      });

      const hook = { type: "gitea", active: true, events: ["push"] };
      const config = { url: webhook.url, content_type: "json", secret: webhook.secret };
      await forge("POST", `/repos/${user}/${repository}/hooks`, { ...hook, config });
      await push("by webhook");
      await until("the version that the webhook announced", () => shows("by webhook"));

      const hooks = await fetch(`${forgeUrl}/api/v1/repos/${user}/${repository}/hooks`, {
        headers: { authorization: `token ${forgeToken}` },
      });
      for (const { id } of (await hooks.json()) as { id: number }[]) {
        await forge("DELETE", `/repos/${user}/${repository}/hooks/${id}`);
      }
      await push("by polling");
      await until("the version that nothing announced", () => shows("by polling"));
      await until("all tags on the forge", async () => {
        return (await work.git("ls-remote", "--tags", "origin")).includes("refs/tags/waybill/production/3");
      });

      // A rollback by plain Git, on the forge.
      await work.git("push", "--quiet", "origin", "--delete", "waybill/production/3");
      await until("the version before", () => shows("by webhook"));
      await until("the revert's tag on the forge", async () => {
        return (await work.git("ls-remote", "--tags", "origin")).includes("refs/tags/waybill/production/4");
      });
    } finally {
      await server.stop();
      await forge("DELETE", `/repos/${user}/${repository}`);
    }
  },
);
