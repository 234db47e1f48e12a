import { sql, type Generated, type SqlBool } from "kysely";
import type { Role } from "../access/permission.ts";
import type { AccessStore, NewLink, NewSession, NewToken, Token, User } from "../access/account.ts";
import { readCredentials, recordUse } from "./gateway/credentials.ts";
import type { Database } from "./database.ts";

export interface AccessSchema {
  users: UserTable;
  tokens: TokenTable;
  sessions: SessionTable;
  sign_in_links: LinkTable;
  host_codes: HostCodeTable;
}

interface UserTable {
  name: string;
  role: Role;
  groups: string[];
  password_hash: string | null;
  created_at: Generated<Date>;
}

interface TokenTable {
  id: string;
  hash: string;
  name: string;
  role: Role;
  groups: string[];
  owner: string | null;
  created_by: string;
  created_at: Date;
  expires_at: Date | null;
  last_used_at: Date | null;
}

interface SessionTable {
  hash: string;
  user_name: string | null;
  token_id: string | null;
  host: string | null;
  parent: string | null;
  created_at: Generated<Date>;
  expires_at: Date;
  ends_at: Date;
}

interface LinkTable {
  hash: string;
  user_name: string;
  role: Role;
  groups: string[];
  created_by: string;
  created_at: Generated<Date>;
  expires_at: Date;
}

interface HostCodeTable {
  hash: string;
  session: string;
  host: string;
  path: string;
  state: string;
  expires_at: Date;
}

export function makeAccessStore(db: Database): AccessStore {
  return { ...userQueries(db), ...tokenQueries(db), ...sessionQueries(db), ...linkQueries(db) };
}

function userQueries(db: Database) {
  return {
    async users(): Promise<User[]> {
      const rows = await db.selectFrom("users").selectAll().orderBy("name").execute();
      return rows.map(({ name, role, groups, password_hash, created_at }) => ({
        name,
        role,
        groups,
        hasPassword: password_hash !== null,
        createdAt: created_at,
      }));
    },
    async passwordHash(user: string) {
      const row = await db.selectFrom("users").select("password_hash").where("name", "=", user).executeTakeFirst();
      return row?.password_hash ?? null;
    },
    async addUser({ name, role, groups }: Pick<User, "name" | "role" | "groups">) {
      const taken = await db
        .selectFrom("tokens")
        .select("id")
        .where("name", "=", name)
        .where("owner", "is", null)
        .execute();
      if (taken.length > 0) return false;
      const result = await db
        .insertInto("users")
        .values({ name, role, groups: [...groups], password_hash: null })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    async changeUser(
      name: string,
      { role, groups, passwordHash }: { role?: Role; groups?: readonly string[]; passwordHash?: string },
    ) {
      const { numUpdatedRows } = await db
        .updateTable("users")
        .set({
          name,
          ...(role && { role }),
          ...(groups && { groups: [...groups] }),
          ...(passwordHash !== undefined && { password_hash: passwordHash }),
        })
        .where("name", "=", name)
        .executeTakeFirst();
      return numUpdatedRows === 1n;
    },
    async removeUser(name: string) {
      const { numDeletedRows } = await db.deleteFrom("users").where("name", "=", name).executeTakeFirst();
      return numDeletedRows === 1n;
    },
    async hasAdministrator() {
      const row = await db.selectFrom("users").select("name").where("role", "=", "admin").limit(1).executeTakeFirst();
      return row !== undefined;
    },
  };
}

function tokenQueries(db: Database) {
  return { ...tokenReads(db), ...tokenWrites(db) };
}

function tokenReads(db: Database) {
  return {
    async tokens(owner?: string): Promise<Token[]> {
      let query = db.selectFrom("tokens").selectAll().orderBy("created_at");
      if (owner !== undefined) query = query.where("owner", "=", owner);
      return (await query.execute()).map((row) => ({
        id: row.id,
        name: row.name,
        role: row.role,
        groups: row.groups,
        owner: row.owner,
        createdBy: row.created_by,
        createdAt: row.created_at,
        expiresAt: row.expires_at,
        lastUsedAt: row.last_used_at,
      }));
    },
    async tokenId(hash: string) {
      const row = await db.selectFrom("tokens").select("id").where("hash", "=", hash).executeTakeFirst();
      return row?.id ?? null;
    },
  };
}

function tokenWrites(db: Database) {
  const values = (token: NewToken) => ({
    id: token.id,
    hash: token.hash,
    name: token.name,
    role: token.role,
    groups: [...token.groups],
    owner: token.owner,
    created_by: token.createdBy,
    created_at: token.createdAt,
    expires_at: token.expiresAt,
  });
  return {
    async addToken(token: NewToken) {
      if (token.owner === null) {
        const taken = await db.selectFrom("users").select("name").where("name", "=", token.name).execute();
        if (taken.length > 0) return false;
      }
      const result = await db
        .insertInto("tokens")
        .values({ ...values(token), last_used_at: null })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return result.numInsertedOrUpdatedRows === 1n;
    },
    async removeToken(id: string, owner?: string) {
      let query = db.deleteFrom("tokens").where(sql<SqlBool>`id::text = ${id}`);
      if (owner !== undefined) query = query.where("owner", "=", owner);
      return (await query.executeTakeFirst()).numDeletedRows === 1n;
    },
    async replaceToken(id: string, token: NewToken | null) {
      await db.transaction().execute(async (transaction) => {
        const held = await transaction.selectFrom("tokens").select("hash").where("id", "=", id).executeTakeFirst();
        if (held?.hash === token?.hash) return;
        await transaction.deleteFrom("tokens").where("id", "=", id).execute();
        if (token)
          await transaction
            .insertInto("tokens")
            .values({ ...values(token), last_used_at: null })
            .execute();
      });
    },
  };
}

function sessionQueries(db: Database) {
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

function linkQueries(db: Database) {
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
