import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Route } from "../src/targets/route.ts";
import { removeTree } from "./support/local-target.ts";
import { runWorker } from "./support/worker-process.ts";

/** Runs the miniature server; answers the signal that ended it. */
function serve(
  folder: string,
  options: { killAfter?: number; revision: string; end?: "stop" },
): Promise<string | null> {
  const { killAfter = 0, revision, end = "leave" } = options;
  return runWorker("local-server", folder, String(killAfter), revision, end);
}

/** Programs that run from the folder: pid and start time. */
function programs(folder: string): readonly string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const isOurs = readFileSync(`/proc/${pid}/environ`, "utf8").includes(`HOME=${folder}/`);
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const startedAt = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[19];
      return isOurs && command === "node\0server.js\0" ? [`${pid} ${startedAt}`] : [];
    } catch {
      return [];
    }
  });
}

async function answer(folder: string): Promise<string> {
  const routes = JSON.parse(readFileSync(join(folder, "routes.json"), "utf8")) as Record<string, Route>;
  const upstream = routes["web"]?.upstream;
  assert.ok(upstream?.kind === "http");
  return (await fetch(`http://${upstream.hostname}:${upstream.port}/`)).text();
}

const skip = platform() !== "linux" && "counts processes in /proc";

test("processes outlive the server and are adopted, not started again", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-local-crash-"));
  try {
    await serve(folder, { revision: "one" });
    const before = programs(folder);
    assert.equal(before.length, 1);
    await serve(folder, { revision: "one" });
    assert.deepEqual(programs(folder), before);
    process.kill(Number(before[0]?.split(" ")[0]), "SIGKILL");
    await serve(folder, { revision: "one" });
    assert.equal(programs(folder).length, 1, "what died meanwhile is started again");
    assert.notDeepEqual(programs(folder), before);
    assert.equal(await answer(folder), "one");
  } finally {
    await serve(folder, { revision: "one", end: "stop" });
    assert.deepEqual(programs(folder), []);
    removeTree(folder);
  }
});

test("killed after any durable effect of a deploy, the next start ends in the same state", { skip }, async () => {
  const killedAt: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "waybill-local-crash-"));
  try {
    await serve(folder, { revision: "one" });
    for (let killAfter = 1; ; killAfter += 1) {
      const revision = killAfter % 2 === 0 ? "one" : "two";
      const signal = await serve(folder, { revision, killAfter });
      if (signal === null) break;
      const effect = readFileSync(join(folder, "killed-at"), "utf8");
      await serve(folder, { revision });
      assert.equal(
        programs(folder).length,
        1,
        `exactly one program runs after a kill at effect ${killAfter}, ${effect}`,
      );
      assert.equal(await answer(folder), revision);
      killedAt.push(effect);
    }
  } finally {
    await serve(folder, { revision: "one", end: "stop" });
    const left = programs(folder);
    removeTree(folder);
    assert.deepEqual(left, []);
  }
  assert.ok(killedAt.length >= 10, killedAt.join(", "));
  for (const effect of ["instance made", "instance recorded", "instance spawned", "instance ready", "instance ended"]) {
    assert.ok(killedAt.includes(effect), `no kill after "${effect}" in ${killedAt.join(", ")}`);
  }
});
