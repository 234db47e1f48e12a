import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../core/log.ts";
import { makeAccessLog, type AccessLine } from "./access-log.ts";

const line = (path: string): AccessLine => ({
  time: "2026-01-01T00:00:00.000Z",
  requestId: "r",
  host: "h",
  deployment: null,
  method: "GET",
  path,
  status: 200,
  bytes: 0,
  durationMs: 1,
  user: null,
  address: "a",
});

test("lines are written together, a file that is full moves aside, the oldest goes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "waybill-access-log-"));
  const file = join(folder, "access.log");
  const log = makeAccessLog(file, silentLog, { maxBytes: 100 });
  for (let round = 0; round < 8; round += 1) {
    log.write(line(`/${round}`));
    log.write(line(`/${"x".repeat(10_000)}\n"`));
    await log.close();
  }
  const names = readdirSync(folder).toSorted();
  assert.deepEqual(names, ["access.log", ...[1, 2, 3, 4, 5].map((number) => `access.log.${number}`)]);
  const written = readFileSync(file, "utf8").trim().split("\n");
  assert.deepEqual(
    written.map((text) => (JSON.parse(text) as AccessLine).path.length),
    [2, 2_048],
  );
  log.write(line("/later"));
  await sleep(400);
  assert.match(readFileSync(file, "utf8"), /"\/later"/, "without being closed");
  rmSync(folder, { recursive: true });
});
