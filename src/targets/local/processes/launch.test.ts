import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../../core/clock.ts";
import { spawnHere } from "../../../core/spawn.ts";
import { inPlaceOfShell, installWrapper, launch, settleClaim } from "./launch.ts";
import { startTimeOf } from "./process-table.ts";

const never = new AbortController().signal;

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-launch-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const launcherIn = (folder: string) => ({ wrapper: installWrapper(folder), spawn: spawnHere, clock: systemClock });

const filesIn = (folder: string) => ({
  claim: join(folder, "claim"),
  exit: join(folder, "exit"),
  log: join(folder, "log"),
  cwd: folder,
  env: { PATH: process.env["PATH"] ?? "" },
  startScript: null,
});

test("a plain command takes the place of its shell, anything else is left to it", () => {
  for (const plain of ["node server.js", "./run --port=$PORT", 'python3 -m http.server "$PORT"', "/bin/x"]) {
    assert.equal(inPlaceOfShell(plain), `exec ${plain}`);
  }
  for (const other of [
    "cd x && y",
    "A=1 node x",
    "echo hi",
    "a; b",
    "a | b",
    "a > b",
    "$(x)",
    "for",
    ". ./x",
    "[ a ]",
  ]) {
    assert.equal(inPlaceOfShell(other), other);
  }
});

test("a program finds the variables that it was given, with and without a shell of its own", async () => {
  await withFolder(async (folder) => {
    const env = { ...filesIn(folder).env, status: "first", command: "second", name: "status", NAME: "command" };
    const outputs = [];
    for (const [index, command] of ["printenv $NAME", "printenv $name", "printenv $name; true", "no-such"].entries()) {
      const own = {
        claim: join(folder, `claim-${index}`),
        exit: join(folder, `exit-${index}`),
        log: join(folder, `${index}`),
      };
      const started = await launch(launcherIn(folder), { ...filesIn(folder), ...own, env, command });
      const { status } = await started.ended(never);
      outputs.push([status, readFileSync(own.log, "utf8").trim()]);
    }
    assert.deepEqual(outputs.slice(0, 3), [
      [0, "second"],
      [0, "first"],
      [0, "first"],
    ]);
    const [status, text] = outputs[3] ?? [];
    assert.equal(status, 127);
    assert.match(String(text), /^sh: .*no-such: not found$/);
  });
});

test("a start claimed by another runs nothing", async () => {
  await withFolder(async (folder) => {
    const files = filesIn(folder);
    const request = { ...files, command: "echo ran >> ran; sleep 0.3" };
    const launcher = launcherIn(folder);
    const both = await Promise.all([launch(launcher, request), launch(launcher, request)]);
    await Promise.all(both.map((started) => started.ended(never)));
    assert.equal(readFileSync(join(folder, "ran"), "utf8"), "ran\n");
  });
});

test("a start that a later server has voided runs nothing", async () => {
  await withFolder(async (folder) => {
    const files = filesIn(folder);
    assert.deepEqual(await settleClaim(files, systemClock), { kind: "never started" });
    await (await launch(launcherIn(folder), { ...files, command: "echo ran > ran" })).ended(never);
    assert.throws(() => readFileSync(join(folder, "ran")), { code: "ENOENT" });
    assert.deepEqual(await settleClaim(files, systemClock), {
      kind: "ended",
      exit: { stage: null, status: null, signal: null },
      pid: 0,
    });
  });
});

test("a claim that stayed empty is voided", async () => {
  await withFolder(async (folder) => {
    const files = filesIn(folder);
    writeFileSync(files.claim, "");
    assert.deepEqual(await settleClaim(files, systemClock), { kind: "never started" });
    assert.equal(readFileSync(files.claim, "utf8"), "0 void\n");
  });
});

test("what ran is known by pid and start time, and how it ended", async () => {
  await withFolder(async (folder) => {
    const files = filesIn(folder);
    const started = await launch(launcherIn(folder), { ...files, command: "sleep 0.5; exit 5" });
    while (!existsSync(files.claim)) await systemClock.sleep(5);
    let claim = await settleClaim(files, systemClock);
    assert.deepEqual(claim, {
      kind: "running",
      process: { pid: started.pid, startedAt: startTimeOf(started.pid) },
    });
    await started.ended(never);
    claim = await settleClaim(files, systemClock);
    assert.deepEqual(claim, { kind: "ended", exit: { stage: "command", status: 5, signal: null }, pid: started.pid });
  });
});

test("a pid that another process has now is not taken for ours", async () => {
  await withFolder(async (folder) => {
    const other = spawn("sleep", ["10"]);
    try {
      const files = filesIn(folder);
      writeFileSync(files.claim, `${other.pid} 1\n`);
      assert.equal((await settleClaim(files, systemClock)).kind, "ended");
    } finally {
      other.kill("SIGKILL");
    }
  });
});
