import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { firstFile } from "../src/cli/init/first-file.ts";
import { openFolder } from "../src/cli/init/folder.ts";
import { packageRoot } from "../src/core/package-root.ts";
import { freePort } from "./support/server-process.ts";

interface Fields {
  readonly build?: string;
  readonly command?: string;
  readonly health?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const installTimeoutMs = 45_000;
const startTimeoutMs = 30_000;

for (const fixture of ["node", "flask"]) {
  test(`what init writes for ${fixture} starts and answers`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "waybill-init-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    cpSync(join(packageRoot, "fixtures/init", fixture), folder, { recursive: true });
    const { build, command = "", health, env } = firstFile(openFolder(folder), ".").draft.fields as Fields;
    const port = await freePort();
    const options = {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, PORT: String(port), ...env },
    };
    if (build !== undefined) {
      const built = spawnSync("sh", ["-c", build], { ...options, timeout: installTimeoutMs, encoding: "utf8" });
      if (built.status !== 0) return t.skip(`not installed: ${built.stderr.trim().split("\n").at(-1) ?? "no time"}`);
    }
    const output = start(t, command, options);
    assert.equal(await answerOf(`http://127.0.0.1:${port}${health ?? "/"}`), 200, output());
  });
}

function start(t: TestContext, command: string, options: { cwd: string; env: NodeJS.ProcessEnv }): () => string {
  const child = spawn("sh", ["-c", command], { ...options, detached: true });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += String(chunk)));
  t.after(async () => {
    if (child.exitCode !== null || child.pid === undefined) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    process.kill(-child.pid, "SIGKILL");
    await ended;
  });
  return () => said;
}

async function answerOf(url: string): Promise<number | null> {
  const until = Date.now() + startTimeoutMs;
  while (Date.now() < until) {
    const response = await fetch(url).catch(() => null);
    if (response !== null) {
      await response.arrayBuffer();
      return response.status;
    }
    await pause(200);
  }
  return null;
}
