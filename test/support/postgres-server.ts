import { mkdtempSync, rmSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres.ts";
import { openDatabase } from "../../src/store/database.ts";
import pg from "pg";

/** One PostgreSQL for a whole test run, with a template database that has every table. */
export async function startTestPostgres(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-test-postgres-"));
  chmodSync(folder, 0o755);
  const server = await startEmbeddedPostgres(join(folder, "postgres"));
  const admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  await admin.query("create database waybill_template");
  await admin.end();
  const template = new URL(server.url);
  template.pathname = "/waybill_template";
  await (await openDatabase(template.href)).close();
  return {
    url: server.url,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
