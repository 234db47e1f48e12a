import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { ask } from "./support/ask.ts";
import { testDatabase } from "./support/postgres.ts";
import { startServed } from "./support/served.ts";

// `ready` means that whoever asks the one port is answered by this server, whatever address it listens on.

test("a server is ready when its gateway leads to it; where it never does, the start fails", async () => {
  const database = await testDatabase();
  // All of 127.0.0.0/8 is this machine.
  const served = await startServed({ env: { DATABASE_URL: database.url, WAYBILL_HOST: "127.0.0.2" } });
  const health = async (address: string): Promise<number> =>
    (await ask({ address, port: served.port, host: `localhost:${served.port}`, path: "/healthz" })).status;
  try {
    await served.start();
    assert.equal(await health("127.0.0.2"), 200);
    await assert.rejects(health("127.0.0.1"), { code: "ECONNREFUSED" });

    await served.stop();
    // The gateway runs on, and hears of no other server.
    await sql`alter table server_endpoint disable trigger all`.execute(database.db);
    await assert.rejects(
      served.start(),
      /ended with status 75 before it was ready[^]*the gateway \(process \d+\) has not heard of this server for 15 s/,
    );
    assert.equal(await health("127.0.0.2"), 503, "the gateway answers for itself");

    await sql`alter table server_endpoint enable trigger all`.execute(database.db);
    await served.start();
    assert.equal(await health("127.0.0.2"), 200);
  } finally {
    await sql`alter table server_endpoint enable trigger all`.execute(database.db);
    await served.close();
    await database.close();
  }
});
