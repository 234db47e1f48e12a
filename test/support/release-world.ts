import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeFeed } from "../../src/core/feed.ts";
import type { Identity } from "../../src/core/identity.ts";
import { silentLog } from "../../src/core/log.ts";
import { makeGit } from "../../src/git/git.ts";
import { makeDriver, type Step } from "../../src/release/apply/drive.ts";
import { makeDefinitions } from "../../src/release/define/definitions.ts";
import { makeNotices } from "../../src/release/define/notices.ts";
import type { ReleaseEvent } from "../../src/release/release.ts";
import { makeRelease } from "../../src/release/service.ts";
import { makeRecorder } from "../../src/release/snapshots/record.ts";
import { makeSettler } from "../../src/release/snapshots/settle.ts";
import { makeWatcher } from "../../src/release/snapshots/watch.ts";
import { defaultContext } from "../../src/spec/context.ts";
import { makeReleaseStore } from "../../src/store/release/release-store.ts";
import { makeFakeDeployer } from "./fake-deployer.ts";
import { testDatabase } from "./postgres.ts";
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
  const steps = makeFeed<Step>();
  const events = makeFeed<ReleaseEvent>();
  const clock = systemClock;
  const secretVersions = new Map<string, number>();
  const secrets = { versions: async () => secretVersions };
  steps.listen(({ stack }) => events.publish({ type: "deployment", ...stack }));
  const driver = makeDriver({ store, deployer, steps, clock, log: silentLog, maxParallel: 4 });
  const definitions = makeDefinitions({ context: defaultContext });
  const settler = makeSettler({ store, definitions, secrets, driver });
  const recorder = makeRecorder({ settler, clock });
  const watcher = makeWatcher({
    git,
    store,
    definitions,
    settler,
    recorder,
    events,
    log: silentLog,
    signal: closing.signal,
  });
  const notices = makeNotices(deployer);
  const release = makeRelease({
    git,
    store,
    definitions,
    settler,
    watcher,
    secrets,
    events,
    clock,
    notices,
    remoteKeys: { save: async () => undefined },
  });
  return {
    folder,
    git,
    store,
    deployer,
    driver,
    watcher,
    release,
    steps,
    secretVersions,
    settler,
    definitions,
    notices,
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
