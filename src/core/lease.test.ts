import assert from "node:assert/strict";
import { test } from "node:test";
import { isLeaseLost, leaseMs, makeLease } from "./lease.ts";
import { silentLog } from "./log.ts";

function setting() {
  let nowMs = 0;
  let isOurs = true;
  let renewals = 0;
  const delays: number[] = [];
  const ended = new AbortController();
  const lease = makeLease({
    book: {
      renew: async () => {
        renewals += 1;
        return isOurs;
      },
    },
    clock: {
      now: () => new Date(nowMs),
      async sleep(delayMs) {
        delays.push(delayMs);
        if (delays.length > 3) ended.abort();
      },
    },
    log: silentLog,
    elapsedMs: () => nowMs,
  });
  return {
    lease,
    ended,
    delays,
    renewals: () => renewals,
    pass: (ms: number) => void (nowMs += ms),
    lose: () => void (isOurs = false),
  };
}

test("within its time nobody is asked; after a silence the record is", async () => {
  const { lease, pass, renewals } = setting();
  await lease.confirm();
  pass(leaseMs / 2);
  await lease.confirm();
  assert.equal(renewals(), 0);
  pass(leaseMs);
  await Promise.all([lease.confirm(), lease.confirm()]);
  assert.equal(renewals(), 1);
});

test("what was lost is lost for good", async () => {
  const { lease, pass, lose, renewals } = setting();
  lose();
  pass(leaseMs);
  await assert.rejects(lease.confirm(), isLeaseLost);
  await assert.rejects(lease.confirm(), isLeaseLost);
  assert.equal(renewals(), 1);
  assert.equal((await lease.lost).code, "LEASE_LOST");
});

test("it is renewed several times within its time", async () => {
  const { lease, ended, delays, renewals } = setting();
  await lease.keep(ended.signal);
  assert.equal(renewals(), 3);
  assert.ok(delays.every((delayMs) => delayMs <= leaseMs / 3));
});
