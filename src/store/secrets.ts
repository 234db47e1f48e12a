import { sql } from "kysely";
import type { SecretStore, StoredSecret } from "../targets/secrets.ts";
import type { Database } from "./database.ts";

export interface SecretSchema {
  secrets: SecretTable;
}

interface SecretTable {
  repository: string;
  name: string;
  version: number;
  /** Empty: the whole repository. */
  environment: string;
  sealed: string | null;
  is_removed: boolean;
  set_by: string;
  set_at: Date;
}

/** Encrypted values in PostgreSQL. */
export function makeSecretStore(db: Database): SecretStore {
  return {
    async current(repository) {
      const rows = await db
        .selectFrom("secrets")
        .selectAll()
        .distinctOn(["name", "environment"])
        .where("repository", "=", repository)
        .where("is_removed", "=", false)
        .orderBy("name")
        .orderBy("environment")
        .orderBy("version", "desc")
        .execute();
      return rows.map(fromRow);
    },
    async find(repository, name, version) {
      const row = await db
        .selectFrom("secrets")
        .selectAll()
        .where("repository", "=", repository)
        .where("name", "=", name)
        .where("version", "=", version)
        .executeTakeFirst();
      return row ? fromRow(row) : null;
    },
    add: (secret, keptVersions) => add(db, secret, keptVersions),
    async remove({ repository, environment }, name) {
      const { numUpdatedRows } = await db
        .updateTable("secrets")
        .set({ sealed: null, is_removed: true })
        .where("repository", "=", repository)
        .where("name", "=", name)
        .where("environment", "=", environment ?? "")
        .where("is_removed", "=", false)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },
  };
}

function add(db: Database, secret: Omit<StoredSecret, "version">, keptVersions: number): Promise<StoredSecret> {
  const { repository, name, sealed, setBy, setAt } = secret;
  const environment = secret.environment ?? "";
  return db.transaction().execute(async (transaction) => {
    // Two who set one name at once take turns, or both would take the same version.
    await sql`select pg_advisory_xact_lock(hashtextextended(${`secret ${repository}/${name}`}, 0))`.execute(
      transaction,
    );
    const { newest } = await transaction
      .selectFrom("secrets")
      .select((query) => query.fn.max("version").as("newest"))
      .where("repository", "=", repository)
      .where("name", "=", name)
      .executeTakeFirstOrThrow();
    const version = (newest ?? 0) + 1;
    await transaction
      .insertInto("secrets")
      .values({ repository, name, version, environment, sealed, is_removed: false, set_by: setBy, set_at: setAt })
      .execute();
    await sql`
      update secrets set sealed = null
      where repository = ${repository} and name = ${name} and environment = ${environment} and version not in (
        select version from secrets
        where repository = ${repository} and name = ${name} and environment = ${environment}
        order by version desc limit ${keptVersions})
    `.execute(transaction);
    return { ...secret, version };
  });
}

const fromRow = (row: SecretTable): StoredSecret => ({
  repository: row.repository,
  environment: row.environment === "" ? null : row.environment,
  name: row.name,
  version: row.version,
  sealed: row.sealed,
  setBy: row.set_by,
  setAt: row.set_at,
});
