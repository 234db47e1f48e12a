import { join } from "node:path";
import { systemClock } from "../../src/core/clock.ts";
import type { Log } from "../../src/core/log.ts";
import { spawnHere } from "../../src/core/spawn.ts";
import { makeLocalRuns } from "../../src/targets/local/runs/executor.ts";
import { Trees } from "../../src/targets/local/trees/trees.ts";
import { fakeSecrets, makeFakeTrees } from "./local-target.ts";

/** Runs of programs as processes of this machine, each in a tree with one small file. */
export function openLocalRuns(folder: string, log: Log): ReturnType<typeof makeLocalRuns> {
  const source = makeFakeTrees();
  source.add({ README: "x" });
  return makeLocalRuns({
    folder: join(folder, "runs"),
    trees: new Trees({ folder: join(folder, "trees"), source, buildEnvironment: {} }),
    secrets: fakeSecrets({}),
    clock: systemClock,
    log,
    spawn: spawnHere,
    maxOutputBytes: 2 ** 30,
  });
}
