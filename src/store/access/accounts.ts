import { sql, type SqlBool } from "kysely";
import type { NewToken, Token, User } from "../../access/account.ts";
import type { Role } from "../../access/permission.ts";
import type { Database } from "../database.ts";

export function userQueries(db: Database) {
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

export function tokenQueries(db: Database) {
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
