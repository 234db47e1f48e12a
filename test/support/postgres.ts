import { randomUUID } from "node:crypto";
import { after } from "node:test";
import pg from "pg";
import { openDatabase, type OpenDatabase } from "../../src/store/database.ts";
import { startTestPostgres } from "./postgres-server.ts";

// A test file run by itself brings its own server, and takes it along when all its tests are done.
let own: Promise<Awaited<ReturnType<typeof startTestPostgres>>> | undefined;
after(async () => (await own)?.stop());

async function serverUrl(): Promise<string> {
  const shared = process.env["WAYBILL_TEST_POSTGRES_URL"];
  if (shared) return shared;
  own ??= startTestPostgres();
  return (await own).url;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A fresh database with every table, cloned from the template; `close` drops it again. */
export async function testDatabase(): Promise<OpenDatabase & { readonly url: string }> {
  const server = await serverUrl();
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  // By files: block by block, through the log, it takes five times as long.
  await administer(server, `create database ${name} template waybill_template strategy file_copy`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  const opened = await openDatabase(url.href);
  return {
    ...opened,
    url: url.href,
    close: async () => {
      await opened.close();
      await administer(server, `drop database if exists ${name} with (force)`);
    },
  };
}
