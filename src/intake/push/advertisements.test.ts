import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { serveFetch } from "../../../test/support/git-server.ts";
import { testGit } from "../../../test/support/test-git.ts";
import { systemClock } from "../../core/clock.ts";
import type { Identity } from "../../core/identity.ts";
import { silentLog } from "../../core/log.ts";
import { spawnHere, type Spawn } from "../../core/spawn.ts";
import { makeGitEndpoint } from "../git-endpoint.ts";
import { makeAdvertisements } from "./advertisements.ts";

const ann: Identity = { name: "ann", kind: "user", role: "member", groups: [] };

/** A hosted repository behind HTTP, and how many processes its requests have taken. */
async function world() {
  const base = await testGit();
  let begun = 0;
  const spawn: Spawn = (...args) => {
    begun += 1;
    return spawnHere(...args);
  };
  const endpoint = makeGitEndpoint({
    git: base.git,
    gate: { check: async () => ({ accept: true, lines: [] }), async *follow() {} },
    authorise: () => true,
    hooksFolder: join(base.folder, "hooks"),
    log: silentLog,
    clock: systemClock,
    spawn,
  });
  const server = await serveFetch((request) => endpoint.handle(request, ann));
  const url = `${server.url}/git/demo.git`;
  return {
    ...base,
    url,
    /** The advertisement and the processes that it took. */
    async advertised(): Promise<{ text: string; processes: number }> {
      const before = begun;
      const answer = await fetch(`${url}/info/refs?service=git-receive-pack`);
      assert.equal(answer.headers.get("content-type"), "application/x-git-receive-pack-advertisement");
      return { text: await answer.text(), processes: begun - before };
    },
    async push(message: string): Promise<void> {
      await base.clone.commit(message);
      await base.clone.git("push", url, "main");
      for (let tries = 0; endpoint.running() > 0 || tries < 3; tries += 1) await delay(100);
    },
    async [Symbol.asyncDispose]() {
      await endpoint.close();
      await server.close();
      await base[Symbol.asyncDispose]();
    },
  };
}

test("what a push has changed is advertised to the next one without a process, word for word", async () => {
  await using w = await world();
  await w.clone.git("commit", "--allow-empty", "--message", "first");
  await w.clone.git("push", w.url, "main");
  await w.clone.write({ "a.txt": "a" });
  await w.push("second");
  const kept = await w.advertised();
  assert.equal(kept.processes, 0);
  assert.match(kept.text, new RegExp(`${await w.clone.git("rev-parse", "main")} refs/heads/main\0`));
  // A branch that is made and deleted again leaves everything as it was, but for the dates of folders.
  const made = await w.clone.git("rev-parse", "main");
  await w.clone.git(`--git-dir=${w.hosted.path}`, "update-ref", "refs/heads/other", made);
  await w.clone.git(`--git-dir=${w.hosted.path}`, "update-ref", "-d", "refs/heads/other");
  const asked = await w.advertised();
  assert.ok(asked.processes > 0);
  assert.equal(asked.text, kept.text);
});

test("whatever changes a ref has Git asked again", async () => {
  await using w = await world();
  const git = (...args: string[]) => w.clone.git(`--git-dir=${w.hosted.path}`, ...args);
  await w.clone.write({ "a.txt": "a" });
  await w.push("first");
  const commit = await w.clone.git("rev-parse", "main");
  const changes: readonly (readonly string[])[] = [
    ["update-ref", "refs/heads/by-hand", commit],
    ["tag", "v1", commit],
    ["update-ref", "refs/notes/deep/er", commit],
    ["pack-refs", "--all"],
    ["symbolic-ref", "HEAD", "refs/heads/by-hand"],
    ["update-ref", "-d", "refs/heads/by-hand"],
    ["config", "receive.denyDeletes", "true"],
  ];
  for (const [index, change] of changes.entries()) {
    assert.equal((await w.advertised()).processes, 0, `before ${change.join(" ")}`);
    await git(...change);
    const { text, processes } = await w.advertised();
    assert.ok(processes > 0, change.join(" "));
    assert.equal(text.includes("refs/tags/v1"), index > 0, change.join(" "));
    await w.clone.write({ "a.txt": String(index) });
    await w.push(`push ${index}`);
  }
});

test("what Git did not say to its end is not kept", async () => {
  await using base = await testGit();
  const advertisements = makeAdvertisements({ folder: join(base.folder, "repositories"), clock: systemClock });
  const headers = { "content-type": "application/x-git-receive-pack-advertisement" };
  const name = base.hosted.name;
  const whole = "001f# service=git-receive-pack\n000000b0refs\0report-status\n0000";
  for (const [body, status] of [
    [whole.slice(0, -6), 200],
    ["001f# service=git-receive-pack\n0000", 200],
    [whole, 500],
  ] as const) {
    await advertisements.ask(name, async () => new Response(body, { status, headers }));
    assert.equal(advertisements.find(name, null), null);
  }
  await advertisements.ask(name, async () => new Response(whole, { headers }));
  assert.equal(await advertisements.find(name, null)?.text(), whole);
  assert.equal(advertisements.find(name, "version=2"), null);
});
