import { execFileSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres.ts";
import { openDatabase } from "../../src/store/database.ts";
import pg from "pg";

/** Names a stopped PostgreSQL's folder, with every table and nothing in them. */
const templateVariable = "WAYBILL_TEST_POSTGRES_FOLDER";

/** One PostgreSQL for a whole test run, with a template database that has every table. */
export async function startTestPostgres(): Promise<{ url: string; folder: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "waybill-test-postgres-"));
  chmodSync(folder, 0o755);
  const template = join(folder, "template");
  const made = await startEmbeddedPostgres(template);
  await (await openDatabase(made.url)).close();
  await made.stop();
  // No test ends the machine.
  appendFileSync(join(template, "data/postgresql.conf"), "fsync = off\n");
  copyFolder(template, join(folder, "postgres"));
  const server = await startEmbeddedPostgres(join(folder, "postgres"));
  const other = new URL(server.url);
  other.pathname = "/template1";
  const admin = new pg.Client({ connectionString: other.href });
  await admin.connect();
  await admin.query("create database waybill_template template postgres");
  await admin.end();
  return {
    url: server.url,
    folder: template,
    stop: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** For the processes of a test run: `url` is the shared server, `folder` what servers of their own begin with. */
export function announce({ url, folder }: { readonly url: string; readonly folder: string }): void {
  process.env["WAYBILL_TEST_POSTGRES_URL"] = url;
  process.env[templateVariable] = folder;
}

/** Spares a server that starts for the first time in `data` a second of `initdb`. */
export function givePostgres(data: string): void {
  const template = process.env[templateVariable];
  if (template === undefined || existsSync(data)) return;
  // As the server would make it.
  mkdirSync(data, { mode: 0o711 });
  copyFolder(template, join(data, "postgres"));
}

/** With owners, as another user than PostgreSQL's. */
function copyFolder(from: string, to: string): void {
  execFileSync("cp", ["-a", from, to]);
}
