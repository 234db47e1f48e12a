import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { markedValues } from "../src/targets/local/processes/process-table.ts";

const main = new URL("../src/main.ts", import.meta.url).pathname;
let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "waybill-execute-test-"));
  mkdirSync(join(folder, "deployments"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Said {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

function execute(yaml: string, ...args: readonly string[]): Promise<Said> {
  writeFileSync(join(folder, "deployments/job.yaml"), `apiVersion: waybill/v1\nkind: job\n${yaml}`);
  return new Promise((resolve) => {
    const given = [main, "execute", "deployments/job.yaml", "--json", ...args];
    execFile(process.execPath, given, { cwd: folder }, (error, out, err) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
}

test("a job is built where it stands, and then run", async () => {
  const yaml = 'build: echo built > built.txt\ncommand: \'printf "\\"%s\\"" "$(cat built.txt)" > $WAYBILL_RESULT\'\n';
  const said = await execute(yaml);
  assert.deepEqual(JSON.parse(said.out), { state: "Completed", exitStatus: 0, result: "built" }, said.err);
  rmSync(join(folder, "built.txt"));
  const without = await execute(yaml, "--no-build");
  assert.equal(existsSync(join(folder, "built.txt")), false);
  assert.match(without.err, /built.txt/);
});

test("a build that fails is said, and nothing is run", async () => {
  const said = await execute("build: echo no such package; exit 3\ncommand: touch ran\n");
  assert.equal(said.status, 1);
  assert.match(said.err, /no such package[^]*BUILD_FAILED[^]*failed with status 3/);
  assert.equal(existsSync(join(folder, "ran")), false);
});

test("a timeout ends the job with all that it started", async () => {
  const command = "command: 'trap \"\" TERM; sleep 60 & sleep 60; wait'\n";
  const said = await execute(`timeout: 1s\nstopTimeout: 1s\nenv: {EXECUTE_TEST: "${process.pid}"}\n${command}`);
  assert.equal(said.status, 1);
  assert.equal((JSON.parse(said.out) as { state: string }).state, "TimedOut");
  assert.match(said.err, /it took longer than its timeout of 1 s, and was ended/);
  assert.ok(!markedValues("EXECUTE_TEST").has(String(process.pid)));
});
