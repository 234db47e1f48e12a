import assert from "node:assert/strict";
import { test } from "node:test";
import { isProvenDead, readHolders, thisMachine, type Machine } from "./lock.ts";

// Printed by the CLI 3.250.0 for a file backend and for one in S3.
const refused = `error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.
  file:///data/pulumi/.pulumi/locks/organization/shop/production--web/a7170f6b.json?no_tmp_dir=true: created by root@vm (pid 2081) at 2026-11-21T13:13:27Z
  s3://acme-state/.pulumi/locks/organization/shop/production--web/b1.json: created by build bot@ci-7 (pid 12) at 2026-11-21T15:13:27+02:00
`;

test("who holds a lock is read from what the CLI prints", () => {
  const [first, second, ...rest] = readHolders(refused);
  assert.deepEqual(rest, []);
  assert.equal(first?.url.endsWith("a7170f6b.json?no_tmp_dir=true"), true);
  assert.deepEqual([first?.user, first?.host, first?.pid], ["root", "vm", 2081]);
  assert.deepEqual([second?.user, second?.host, second?.pid], ["build bot", "ci-7", 12]);
  assert.deepEqual(second?.at, first?.at);
  assert.deepEqual(readHolders("error: no such host"), []);
});

test("a holder is dead when this machine knows it, and in no other case", () => {
  const at = new Date("2026-11-21T12:00:00Z");
  const holder = { url: "", user: "ci", host: "here", pid: 7, at };
  const machine = (start: Date | null | undefined): Machine => ({ host: "here", startOf: () => start });
  const later = (seconds: number): Date => new Date(at.getTime() + seconds * 1000);
  assert.equal(isProvenDead(holder, machine(null)), true, "there is no such process");
  assert.equal(isProvenDead(holder, machine(later(60))), true, "another process has its id");
  assert.equal(isProvenDead(holder, machine(later(1))), false, "clocks have whole seconds");
  assert.equal(isProvenDead(holder, machine(later(-60))), false, "it runs");
  assert.equal(isProvenDead(holder, machine(undefined)), false, "nobody can tell");
  assert.equal(isProvenDead({ ...holder, host: "there" }, machine(null)), false, "another machine's processes");
});

test("this machine knows when this process started", () => {
  const start = thisMachine.startOf(process.pid);
  const expectedMs = Date.now() - process.uptime() * 1000;
  // Elsewhere than on Linux it cannot be told.
  if (start) assert.ok(Math.abs(start.getTime() - expectedMs) < 2000, start.toISOString());
  assert.equal(thisMachine.startOf(2 ** 22 + 1), null);
});
