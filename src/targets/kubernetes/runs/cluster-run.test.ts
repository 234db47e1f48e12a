import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../core/clock.ts";
import { makeFeed } from "../../../core/feed.ts";
import { silentLog } from "../../../core/log.ts";
import { runFolder } from "../../local/runs/run-folder.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { runKey } from "../sources/signature.ts";
import { ClusterRun } from "./cluster-run.ts";
import type { HandOvers } from "./hand-over.ts";
import type { Followed, RunView } from "./run-sight.ts";

const start = { run: "r1", attempt: 1 };
const terminated = { exitCode: 0, reason: "Completed", finishedAt: "2026-01-01T00:00:01Z" };

/** Its program has ended; what it leaves is still to come. */
const view: RunView = {
  job: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "run-r1-1", uid: "j" } },
  isJobGone: false,
  pod: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "run-r1-1-abc", namespace: "shop", uid: "p" },
    spec: { nodeName: "n1", containers: [{ name: "job", image: "img" }] },
    status: { phase: "Running", containerStatuses: [{ name: "job", restartCount: 0, state: { terminated } }] },
  },
  isPodGone: false,
};

test("what another run hands over is not what this one waits for, nor does it keep anybody from working", async () => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-cluster-run-"));
  const own = runFolder(folder, start.run);
  mkdirSync(own.path, { recursive: true });
  const received = makeFeed<string>();
  let [isThere, looks] = [false, 0];
  const handOvers: HandOvers = {
    receive: () => Promise.resolve(),
    isComing: () => false,
    has: () => isThere,
    take: () => Promise.resolve(null),
    onReceived: (listener) => received.listen(listener),
  };
  const followed: Followed = {
    view: () => view,
    async change(withinMs) {
      looks += 1;
      assert.ok(looks < 100, "it looks without end");
      await sleep(withinMs, undefined, { ref: false });
    },
    noteJobGone: () => undefined,
    release: () => undefined,
  };
  const run = new ClusterRun({
    start,
    followed,
    folder: own,
    logStart: 0,
    startedAt: new Date("2026-01-01T00:00:00Z"),
    values: new Map(),
    stopSeconds: 1,
    isFired: false,
    isKept: true,
    handOvers,
    cluster: { stream: () => Promise.resolve(Readable.from([])) } as unknown as Cluster,
    clock: systemClock,
    log: silentLog,
    end: () => Promise.resolve(),
    replaced: () => Promise.resolve(null),
    clear: () => Promise.resolve(true),
  });
  try {
    let hasEnded = false;
    void run.settled.then(() => (hasEnded = true));
    await sleep(300);
    received.publish(runKey({ run: "another", attempt: 1 }));
    await sleep(50);
    assert.equal(hasEnded, false);
    isThere = true;
    received.publish(runKey(start));
    const { exitStatus } = await run.ended(AbortSignal.timeout(5_000));
    assert.equal(exitStatus, 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
