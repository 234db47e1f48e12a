import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { packageRoot } from "../src/core/package-root.ts";
import { ask } from "./support/ask.ts";
import { linkIn, signInBy, startDemo } from "./support/demo-process.ts";
import { leftOvers } from "./support/left-overs.ts";
import { freePort } from "./support/server-process.ts";

const run = promisify(execFile);

test("the demo deploys its sample, does what it says to do, stops with all that it started, and starts again", async (t) => {
  // Like a checkout: the data folder lies in a package of ES modules.
  const folder = await mkdtemp(join(tmpdir(), "waybill-demo-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
  await writeFile(join(folder, "package.json"), '{"type": "module"}');
  const port = await freePort();
  const preload = join(packageRoot, "scripts/tsx.mjs");
  const flags = ["--data", ".waybill", "--port", String(port)];
  const args = ["--import", preload, join(packageRoot, "src/main.ts"), "demo", ...flags];
  const start = () => startDemo({ command: process.execPath, args, cwd: folder });
  const get = async (host: string, headers: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { status, body } = await ask({ port, host: `${host}localhost:${port}`, headers });
    return status === 200 ? body : String(status);
  };
  const asAdministrator = async () => ({
    authorization: `Bearer ${/:([^:@]+)@/.exec(await readFile(join(folder, ".waybill/sample-credentials"), "utf8"))?.[1]}`,
  });

  const first = await start();
  for (const name of ["docs", "reports", "web"]) {
    assert.ok(
      first.said.some((line) =>
        new RegExp(`^ +[0-9.]+ s +${name} +ready +http://${name}\\.localhost:${port}$`).test(line),
      ),
      first.said.join("\n"),
    );
  }
  assert.match(await get("docs."), /Handbook/i);
  assert.equal(await get("web."), "401");

  // Word for word what the demo says.
  const told = first.said.filter((line) => line.startsWith("  ") && /^ {2}(cd|sed|git) /.test(line));
  assert.equal(told.length, 4, told.join("\n"));
  const [toSample = "", edit = "", push = "", takeBack = ""] = told;
  const asTold = (...commands: string[]) => run("sh", ["-ec", commands.join("\n")], { cwd: folder });
  const pushed = await asTold(toSample, edit, push);
  assert.match(pushed.stderr, /snapshot waybill\/production\/2 on /);
  assert.match(pushed.stderr, /web +ready/);
  const taken = await asTold(toSample, takeBack);
  assert.match(taken.stderr, /takes back waybill\/production\/2; production is on hold/);
  const held = await asTold(toSample, edit.replace("Hello at", "Hallo um"), push);
  assert.match(held.stderr, /waits for production: .*\n.*to let it go: waybill release production/);
  assert.doesNotMatch(held.stderr, /nothing to do/);

  assert.equal(await first.end("SIGINT"), 0);
  assert.deepEqual(await leftOvers(folder), []);

  const second = await start();
  assert.ok(second.said.some((line) => line.startsWith("Found the sample of an earlier start in .waybill/sample")));
  assert.match(await get("docs."), /Handbook/i);
  const cookie = await signInBy(linkIn(second.said));
  assert.match(await get("", { cookie }), /reports[^]*web/);
  const web = async (): Promise<string> => get("web.", await asAdministrator());
  for (let tries = 0; (await web()) === "503" && tries < 50; tries += 1) await sleep(100);
  assert.match(await web(), /Hello from Waybill/);
  assert.equal(await second.end("SIGHUP"), 0);
  assert.deepEqual(await leftOvers(folder), []);
});
