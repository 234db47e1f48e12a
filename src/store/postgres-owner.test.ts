import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { asOwner, isClosedToOthers, unprivilegedOwner } from "./postgres-owner.ts";

test("below a folder that is closed to others the owner may still pass", async (t) => {
  const home = mkdtempSync(join(tmpdir(), "waybill-home-"));
  t.after(() => rmSync(home, { recursive: true }));
  const folder = join(home, "data");
  mkdirSync(folder, { mode: 0o755 });
  assert.equal(isClosedToOthers(join(folder, "postgres")), true);
  const owner = await unprivilegedOwner([join(folder, "postgres")]);
  if (userInfo().uid !== 0) return assert.equal(owner, null);
  assert.equal(owner?.isShutOut, true);
  const { command, args, ids } = asOwner("sh", ["-c", `test -x ${folder} && id -u`], owner);
  const { stdout } = spawnSync(command, [...args], { ...ids, encoding: "utf8" });
  assert.equal(stdout, `${owner?.uid}\n`);
  chmodSync(home, 0o711);
  assert.equal(isClosedToOthers(join(folder, "postgres")), false);
});

test("elsewhere nothing of root's is left to it", () => {
  const owner = { uid: 7, gid: 8, isShutOut: false };
  assert.deepEqual(asOwner("initdb", ["-D", "x"], owner), {
    command: "initdb",
    args: ["-D", "x"],
    ids: { uid: 7, gid: 8 },
  });
});
