import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../core/log.ts";
import { pipesOf, spawnHere, type Child, type Spawn } from "../../core/spawn.ts";
import { isAlive, startTimeOf } from "../../targets/local/processes/process-table.ts";
import { makeSpawner, type Spawner } from "./spawner.ts";

const env = { PATH: process.env["PATH"] ?? "" };
let folder: string;
let spawner: Spawner;

const shell = (spawn: Spawn, script: string, name = "sh"): Child =>
  spawn(name, ["-c", script], { cwd: folder, env, stdio: ["pipe", "pipe", "pipe"] });

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "waybill-spawner-"));
  spawner = makeSpawner(silentLog);
  await untilItStarts(spawner.spawn);
});
after(async () => {
  await spawner.close();
  rmSync(folder, { recursive: true });
});

/** Until it does, this process starts them itself. */
async function untilItStarts(spawn: Spawn): Promise<void> {
  while ((await outputOf(shell(spawn, "echo $PPID"))).trim() === String(process.pid)) await sleep(20);
}

async function outputOf(child: Child, input = ""): Promise<string> {
  const { stdin, stdout, stderr } = pipesOf(child);
  let output = "";
  for (const stream of [stdout, stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const closed = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status, signal) => {
      if (status !== 0) output += `ended with ${signal ?? status}`;
      resolve();
    });
  });
  stdin.on("error", () => undefined);
  stdin.end(input);
  await closed;
  return output;
}

for (const [where, spawn] of [
  ["here", () => spawnHere],
  ["by the spawner", () => spawner.spawn],
] as const) {
  test(`a process that is started ${where} has its streams, its status and its environment`, async () => {
    assert.equal(await outputOf(shell(spawn(), "cat; echo oh >&2; exit 3"), "in"), "inoh\nended with 3");
    const long = "x".repeat(1_000_000);
    assert.equal(await outputOf(shell(spawn(), "cat"), long), long);
    assert.equal(await outputOf(shell(spawn(), "env | grep -c WAYBILL_ || true")), "0\n");
    assert.equal(await outputOf(shell(spawn(), "pwd")), `${folder}\n`);
  });

  test(`what cannot be started ${where} is an error`, async () => {
    await assert.rejects(outputOf(shell(spawn(), "", "no-such-program")), /ENOENT/);
  });

  test(`what was started ${where} can be ended`, async () => {
    const child = shell(spawn(), "exec sleep 60");
    setTimeout(() => child.kill("SIGKILL"), 50);
    assert.equal(await outputOf(child), "ended with SIGKILL");
    const cancelled = new AbortController();
    const options = { cwd: folder, env, stdio: ["pipe", "pipe", "pipe"] as const, signal: cancelled.signal };
    const long = spawn()("sleep", ["60"], options);
    setTimeout(() => cancelled.abort(), 50);
    await assert.rejects(outputOf(long), { name: "AbortError" });
  });

  test(`descriptor 3 of a process started ${where} reads and writes`, async () => {
    const child = spawn()("sh", ["-c", "read -r line <&3; echo got $line >&3"], {
      cwd: folder,
      env,
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    });
    const channel = child.stdio[3];
    assert.ok(channel && "write" in channel && "read" in channel);
    channel.write("word\n");
    const [answer] = (await once(channel, "data")) as [Buffer];
    assert.equal(answer.toString(), "got word\n");
    channel.destroy();
  });

  test(`a process started ${where} appends to files`, async () => {
    const log = join(folder, `${where}.log`);
    for (const word of ["one", "two"]) {
      const child = spawn()("echo", [word], { cwd: folder, env, stdio: ["ignore", { appendTo: log }, "ignore"] });
      await new Promise<void>((resolve) => child.once("close", () => resolve()));
    }
    assert.equal(readFileSync(log, "utf8"), "one\ntwo\n");
  });
}

test("forty at once all come to their end", async () => {
  const all = Array.from({ length: 40 }, (_, index) => outputOf(shell(spawner.spawn, "cat"), String(index)));
  assert.deepEqual(await Promise.all(all), [...Array(40).keys()].map(String));
});

test("when the spawner dies, those who wait are told, detached programs run on, and another takes over", async () => {
  await untilItStarts(spawner.spawn);
  const parent = Number(await outputOf(shell(spawner.spawn, "echo $PPID")));
  const waiting = shell(spawner.spawn, "exec sleep 60");
  const detached = spawner.spawn("sleep", ["60"], { cwd: folder, env, stdio: ["ignore"], detached: true });
  await Promise.all([waiting, detached].map((child) => new Promise<void>((resolve) => child.once("spawn", resolve))));
  const identity = { pid: detached.pid ?? 0, startedAt: startTimeOf(detached.pid ?? 0) ?? "" };
  const told = assert.rejects(outputOf(waiting), /the process that started it ended with SIGKILL/);
  process.kill(parent, "SIGKILL");
  await told;
  assert.ok(isAlive(identity));
  process.kill(identity.pid, "SIGKILL");
  process.kill(waiting.pid ?? 0, "SIGKILL");
  assert.equal(await outputOf(shell(spawner.spawn, "echo meanwhile")), "meanwhile\n");
  await untilItStarts(spawner.spawn);
});
