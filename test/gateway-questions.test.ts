import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock as clock } from "../src/core/clock.ts";
import { silentLog as log } from "../src/core/log.ts";
import { makeAskedTraffic } from "../src/gateway/control/question.ts";
import { ensureGateway } from "../src/gateway/launch.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeQuestionBook } from "../src/store/replicas/questions.ts";
import { ask, stack, startGateway } from "./support/gateway.ts";
import { freePort } from "./support/server-process.ts";

// A server asks the gateways of all machines, whose data folders and control channels it does not reach.

test("what any gateway has under way counts; one that is cut off counts as busy until it is taken to be gone", async () => {
  await using gateway = await startGateway();
  const database = await openDatabase(gateway.databaseUrl);
  const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), "waybill-gateway-")));
  const gateways = await Promise.all(
    folders.map(async (dataFolder) => {
      const port = await freePort();
      const handle = await ensureGateway({ ...gateway.options, dataFolder, port, isOneOfSeveral: true });
      return { port, handle };
    }),
  );
  const [near, far] = gateways;
  assert.ok(near && far);
  try {
    const traffic = makeAskedTraffic({ book: makeQuestionBook(database.db), clock, log });
    const waiting: ServerResponse[] = [];
    const { port, server } = await gateway.upstream((_, response) => void waiting.push(response));
    const upstream = { hostname: "127.0.0.1", port };
    const options = { timeoutMs: 300, signal: AbortSignal.timeout(60_000) };
    assert.equal(await traffic.drained(upstream, options), 0);

    await gateway.route({ port });
    const asking = ask(far.port, { host: `ranker.localhost:${far.port}` });
    await once(server, "request");
    assert.equal(await traffic.drained(upstream, options), 1);
    await gateway.route({ port: 1 });
    assert.equal(await traffic.drained(upstream, options), 1, "its route has moved, and it is still under way");
    assert.ok((await traffic.quiet(stack, options)) > 0, "its routes do not wait");
    const drained = traffic.drained(upstream, { ...options, timeoutMs: 5_000 });
    for (const response of waiting) response.end("late");
    assert.equal((await asking).body, "late");
    assert.equal(await drained, 0);

    process.kill(near.handle.pid(), "SIGSTOP");
    assert.equal(await traffic.drained(upstream, options), 1);
    await database.pool.query("update gateways set seen_at = seen_at - interval '10 seconds'");
    await clock.sleep(2_500);
    assert.equal(await traffic.drained(upstream, options), 0);
    process.kill(near.handle.pid(), "SIGCONT");
  } finally {
    process.kill(near.handle.pid(), "SIGCONT");
    for (const { handle } of gateways) await handle.stop();
    const { rowCount } = await database.pool.query("select from gateways");
    assert.equal(rowCount, 0, "who ends in order is not asked any more");
    await database.close();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
});
