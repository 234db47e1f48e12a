import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Release, ReleaseEvent } from "../src/release/release.ts";
import { repositoryName } from "../src/core/names.ts";
import { defaultContext } from "../src/spec/context.ts";
import { checkRepository } from "../src/spec/repository.ts";
import { makeFakeRelease } from "./support/fake-release.ts";
import { ada, releaseWorld } from "./support/release-world.ts";
import { workingCopy } from "./support/repository.ts";
import { sampleWorld } from "./support/sample-world.ts";

const ben = { ...ada, name: "ben" };

interface Subject {
  readonly release: Release;
  /** Waits until what was asked for is applied. */
  readonly settled: () => Promise<void>;
  close(): Promise<void>;
}

const production = { repository: "shop", environment: "production" };
const web = { ...production, deployment: "web" };

/** Three snapshots of `web` and `ranker` in `production` of `shop`, on real Git and a real database. */
async function realSubject(): Promise<Subject> {
  const world = await releaseWorld();
  await world.git.createHosted(repositoryName("shop"), "main");
  const work = await workingCopy(join(world.folder, "work"));
  await work.git("remote", "add", "origin", join(world.folder, "shop.git"));
  for (const level of ["info", "debug", "warn"]) {
    const file = `apiVersion: waybill/v1\nkind: service\ncommand: node main.js\nenv: {LOG_LEVEL: ${level}}\n`;
    await work.write({ "deployments/web.yaml": file, "deployments/ranker.yaml": file });
    await work.commit(`Log at ${level}`);
    await work.git("push", "--quiet", "origin", "main");
    await world.watcher.look("shop", { actor: "ada" });
    await world.settled();
  }
  return { release: world.release, settled: () => world.settled(), close: () => world.close() };
}

const fakeSubject = async (): Promise<Subject> => ({
  release: makeFakeRelease(sampleWorld()),
  settled: async () => undefined,
  close: async () => undefined,
});

/** What the API, the pages and the command line rely on, of the fake that their tests use and of the real one. */
for (const [name, make] of [
  ["the fake", fakeSubject],
  ["the real one", realSubject],
] as const) {
  describe(`a release: ${name}`, () => {
    const promise = (what: string, check: (release: Release, subject: Subject) => Promise<void>): void => {
      test(what, async () => {
        const subject = await make();
        try {
          await check(subject.release, subject);
        } finally {
          await subject.close();
        }
      });
    };

    promise("filters deployments by each part of their name", async (release) => {
      const all = await release.deployments({ ...production });
      assert.ok(all.some((one) => one.name === "web"));
      assert.deepEqual(
        (await release.deployments({ ...production, name: "web" })).map((one) => one.name),
        ["web"],
      );
      assert.deepEqual(await release.deployments({ repository: "elsewhere" }), []);
      assert.deepEqual(await release.environments("elsewhere"), []);
    });

    promise("lists snapshots newest first, in pages, one of them active", async (release) => {
      const all = await release.history(production);
      assert.ok(all.length >= 3);
      assert.deepEqual(
        all.map(({ number }) => number),
        all.map(({ number }) => number).toSorted((a, b) => b - a),
      );
      assert.equal(all.filter(({ active }) => active).length, 1);
      const [first, second] = all;
      assert.deepEqual(await release.history(production, { before: first?.number ?? 0, limit: 1 }), [second]);
    });

    promise("rolls back by a new snapshot, and holds the environment", async (release, { settled }) => {
      const [newest, before] = await release.history(production);
      const made = await release.rollback({
        ...production,
        to: before?.number ?? 0,
        only: null,
        note: "slow",
        actor: ada,
      });
      await settled();
      assert.deepEqual(
        [made.number, made.commit, made.reverts, made.actor, made.reason, made.active],
        [(newest?.number ?? 0) + 1, before?.commit, newest?.tag, "ada", "slow", true],
      );
      const environment = (await release.environments("shop")).find((one) => one.environment === "production");
      assert.equal(environment?.hold?.by, "ada");
      const released = await release.release({ ...production, actor: ada });
      assert.equal(released.hold, null);
      const absent = { ...production, to: 999, only: null, note: "", actor: ada };
      await assert.rejects(release.rollback(absent), { name: "WaybillError", code: "NOT_FOUND" });
    });

    promise("holds with a reason until released", async (release) => {
      const held = await release.hold({ ...production, reason: "freeze", actor: ada });
      assert.deepEqual([held.hold?.by, held.hold?.reason], ["ada", "freeze"]);
      const again = await release.hold({ ...production, reason: "", actor: ben });
      assert.deepEqual(again.hold, held.hold, "a hold without a reason leaves who and why");
      const other = await release.hold({ ...production, reason: "longer", actor: ben });
      assert.deepEqual([other.hold?.by, other.hold?.reason], ["ben", "longer"]);
      assert.equal((await release.release({ ...production, actor: ada })).hold, null);
    });

    promise("pauses with author and reason until resumed, and tells of it", async (release, { settled }) => {
      const listening = new AbortController();
      const heard: ReleaseEvent[] = [];
      const listener = (async () => {
        for await (const event of release.events(listening.signal)) heard.push(event);
      })();
      await release.pause({ ...web, reason: "lunch", actor: ada });
      await release.pause({ ...web, reason: "", actor: ben });
      await settled();
      const [paused] = await release.deployments({ ...production, name: "web" });
      assert.deepEqual([paused?.pause?.by, paused?.pause?.reason], ["ada", "lunch"]);
      assert.equal(paused?.state, "paused");
      await release.resume({ ...web, actor: ada });
      await release.hold({ ...production, reason: "", actor: ada });
      await settled();
      const [resumed] = await release.deployments({ ...production, name: "web" });
      assert.deepEqual([resumed?.pause, resumed?.state], [null, "ready"]);
      listening.abort();
      await listener.catch(() => undefined);
      assert.ok(heard.some(({ type, deployment }) => type === "deployment" && deployment === "web"));
      assert.ok(heard.some(({ type, environment }) => type === "environment" && environment === "production"));
    });

    promise("has no word of what does not exist", async (release) => {
      const nowhere = { ...production, environment: "nowhere" };
      const nobody = { ...production, deployment: "nobody" };
      const missing = { name: "WaybillError", code: "NOT_FOUND" };
      await assert.rejects(release.pause({ ...nobody, reason: "", actor: ada }), missing);
      await assert.rejects(release.resume({ ...nobody, actor: ada }), missing);
      await assert.rejects(release.restart({ ...nobody, actor: ada }), missing);
      await assert.rejects(release.spec(nobody), missing);
      assert.deepEqual(await release.history(nowhere), []);
      await assert.rejects(release.hold({ ...nowhere, reason: "", actor: ada }), missing);
      await assert.rejects(release.release({ ...nowhere, actor: ada }), missing);
    });

    promise("tells what a deployment is as plain data", async (release) => {
      const spec = await release.spec(web);
      assert.deepEqual([spec["kind"], spec["name"]], ["service", "web"]);
      assert.deepEqual(JSON.parse(JSON.stringify(spec)), spec);
    });

    promise("tells a deployment's file, which a pause does not change", async (release, { settled }) => {
      await release.pause({ ...web, reason: "", actor: ada });
      await settled();
      const bytes = Buffer.from(await release.file(web));
      const { problems, deployments } = checkRepository([{ path: "deployments/web.yaml", bytes }], defaultContext);
      assert.deepEqual(problems, []);
      assert.deepEqual(
        deployments.map(({ name, kind, state }) => ({ name, kind, state })),
        [{ name: "web", kind: "service", state: undefined }],
      );
      await assert.rejects(release.file({ ...web, deployment: "nobody" }), { code: "NOT_FOUND" });
    });
  });
}
