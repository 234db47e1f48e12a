import assert from "node:assert/strict";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { workingCopy } from "./support/repository.ts";
import { startServed, until } from "./support/served.ts";

test("a repository hosted elsewhere that cannot be read is named in status, until it can be", async () => {
  const folder = await mkdtemp(join(tmpdir(), "waybill-connected-"));
  const served = await startServed({ env: { WAYBILL_ALLOW_FILE_URLS: "true", WAYBILL_POLL_INTERVAL: "200ms" } });
  try {
    await served.start({ stopWorkloads: true });
    const work = await workingCopy(join(folder, "shop"));
    await work.write({ "README.md": "shop" });
    await work.commit("one");
    const connect = ["connect", `file://${join(folder, "shop")}`];
    const first = await served.cli(connect);
    assert.equal(first.status, 0, first.err);
    const { out } = await served.cli(connect);
    assert.match(out, /^shop was connected already\.\nIts webhook \S+ keeps its secret; --new-secret makes another\.$/);
    const problems = async () => ((await served.json(["status"])) as { repositories: unknown[] }).repositories;
    assert.deepEqual(await problems(), []);
    await rename(join(folder, "shop"), join(folder, "away"));
    await until("its problem", async () => (await problems()).length === 1);
    assert.match((await served.cli(["status"])).out, /^shop: /m);
    await rename(join(folder, "away"), join(folder, "shop"));
    await until("it is read again", async () => (await problems()).length === 0);
  } finally {
    await served.close();
    await rm(folder, { recursive: true, force: true });
  }
});
