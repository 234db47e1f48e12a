import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Identity } from "../../src/core/identity.ts";
import { silentLog } from "../../src/core/log.ts";
import { makeGit } from "../../src/git/git.ts";
import { makeReleaseRoom } from "../../src/server/release-room.ts";
import { defaultContext } from "../../src/spec/context.ts";
import { makeReleaseStore } from "../../src/store/release/release-store.ts";
import { makeFakeDeployer } from "./fake-deployer.ts";
import { testDatabase } from "./postgres.ts";
import { makeCipher } from "../../src/core/cipher.ts";
import { makeRemoteKeys } from "../../src/store/remote-keys.ts";
import { systemClock } from "../../src/core/clock.ts";

export const ada: Identity = { name: "ada", kind: "user", role: "admin", groups: [] };

/** The release room on real Git and a real database, with a target that only remembers. */
export async function releaseWorld() {
  const folder = await mkdtemp(join(tmpdir(), "waybill-release-"));
  const database = await testDatabase();
  const closing = new AbortController();
  const git = makeGit({ folder, log: silentLog, allowFileUrls: true });
  const store = makeReleaseStore(database.db);
  const deployer = makeFakeDeployer();
  const remoteKeys = makeRemoteKeys(database.db, makeCipher(randomBytes(32)), systemClock);
  const secretVersions = new Map<string, number>();
  const { driver, watcher, gate, release } = makeReleaseRoom({
    git,
    store,
    deployer,
    deployRuns: null,
    secrets: { versions: async () => secretVersions },
    remoteKeys,
    context: defaultContext,
    isElsewhere: () => false,
    conceal: async () => (text) => text,
    clock: systemClock,
    log: silentLog,
    signal: closing.signal,
  });
  return {
    folder,
    git,
    store,
    deployer,
    remoteKeys,
    watcher,
    gate,
    release,
    secretVersions,
    database,
    /** Waits until nothing is left to apply. */
    async settled() {
      const rows = await store.deployments();
      await Promise.all(rows.map(({ stack }) => driver.settled(stack)));
    },
    async close() {
      closing.abort();
      await driver.close();
      await git.close();
      await database.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
