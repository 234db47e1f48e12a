import { sql } from "kysely";
import type { NewLink, NewSession } from "../../access/account.ts";
import type { Role } from "../../access/permission.ts";
import type { Database } from "../database.ts";
import { readCredentials, recordUse } from "../gateway/credentials.ts";
import type { HostCodeTable } from "./tables.ts";

export function sessionQueries(db: Database) {
  return {
    credentials: (hashes: readonly string[]) =>
      hashes.length === 0 ? Promise.resolve([]) : readCredentials(db, hashes),
    async addSession(session: NewSession) {
      await db.insertInto("sessions").values(sessionRow(session)).execute();
    },
    async removeSessionFamily(hash: string) {
      await db
        .deleteFrom("sessions")
        .where("hash", "in", (from) =>
          from
            .selectFrom("sessions")
            .select(sql<string>`coalesce(parent, hash)`.as("root"))
            .where("hash", "=", hash),
        )
        .execute();
    },
    async removeSessionsOf(user: string) {
      await db.deleteFrom("sessions").where("user_name", "=", user).execute();
    },
    recordUse: (hashes: readonly string[], at: Date, expiresAt: Date) => recordUse(db, hashes, { at, expiresAt }),
    async removeExpired(now: Date) {
      await db.deleteFrom("sessions").where("expires_at", "<=", now).execute();
      await db.deleteFrom("tokens").where("expires_at", "<=", now).execute();
      await db.deleteFrom("sign_in_links").where("expires_at", "<=", now).execute();
      await db.deleteFrom("host_codes").where("expires_at", "<=", now).execute();
    },
    async addHostSession(
      { hash, host, parent }: { hash: string; host: string; parent: string },
      now: Date,
      expiresAt: Date,
    ) {
      const result = await sql`
        insert into sessions (hash, user_name, token_id, host, parent, expires_at, ends_at)
        select ${hash}, user_name, token_id, ${host}, hash, least(${expiresAt}::timestamptz, ends_at), ends_at
        from sessions where hash = ${parent} and host is null and expires_at > ${now}`.execute(db);
      return result.numAffectedRows === 1n;
    },
  };
}

export function linkQueries(db: Database) {
  return {
    async addLink({ hash, user, role, groups, createdBy, expiresAt }: NewLink) {
      const owner = { user_name: user, role, groups: [...groups], created_by: createdBy };
      await db
        .insertInto("sign_in_links")
        .values({ hash, ...owner, expires_at: expiresAt })
        .execute();
    },
    async findLink(hash: string, now: Date): Promise<NewLink | null> {
      const query = db.selectFrom("sign_in_links").selectAll().where("hash", "=", hash).where("expires_at", ">", now);
      const row = await query.executeTakeFirst();
      return row ? linkOf(row) : null;
    },
    redeemLink: (hash: string, now: Date, session: Omit<NewSession, "subject">): Promise<NewLink | null> =>
      db.transaction().execute(async (transaction) => {
        // The delete is what makes it work once: of two at the same time, one finds no row.
        const row = await transaction
          .deleteFrom("sign_in_links")
          .where("hash", "=", hash)
          .returningAll()
          .executeTakeFirst();
        if (!row || row.expires_at <= now) return null;
        const user = { name: row.user_name, role: row.role, groups: row.groups, password_hash: null };
        await transaction
          .insertInto("users")
          .values(user)
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        const subject = { kind: "user", name: row.user_name } as const;
        await transaction
          .insertInto("sessions")
          .values(sessionRow({ ...session, subject }))
          .execute();
        return linkOf(row);
      }),
    async addHostCode({ expiresAt, ...code }: { expiresAt: Date } & Omit<HostCodeTable, "expires_at">) {
      await db
        .insertInto("host_codes")
        .values({ ...code, expires_at: expiresAt })
        .execute();
    },
    async takeHostCode(hash: string, now: Date) {
      const row = await db.deleteFrom("host_codes").where("hash", "=", hash).returningAll().executeTakeFirst();
      if (!row || row.expires_at <= now) return null;
      const { expires_at, ...code } = row;
      return { ...code, expiresAt: expires_at };
    },
  };
}

const sessionRow = ({ hash, subject, expiresAt, endsAt }: NewSession) => ({
  hash,
  user_name: subject.kind === "user" ? subject.name : null,
  token_id: subject.kind === "token" ? subject.id : null,
  host: null,
  parent: null,
  expires_at: expiresAt,
  ends_at: endsAt,
});

const linkOf = (row: {
  hash: string;
  user_name: string;
  role: Role;
  groups: string[];
  created_by: string;
  expires_at: Date;
}): NewLink => ({
  hash: row.hash,
  user: row.user_name,
  role: row.role,
  groups: row.groups,
  createdBy: row.created_by,
  expiresAt: row.expires_at,
});
