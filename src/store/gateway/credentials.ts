import { sql } from "kysely";
import { lesserRole, type Role } from "../../access/permission.ts";
import type { Credential } from "../../access/proof/credential.ts";
import type { Database } from "../database.ts";

/** Credentials by hash; without hashes all that are good on a deployment's host and have not expired. */
export async function readCredentials(db: Database, hashes?: readonly string[]): Promise<Credential[]> {
  const [sessions, tokens] = await Promise.all([sessionCredentials(db, hashes), tokenCredentials(db, hashes)]);
  return [...sessions, ...tokens];
}

async function tokenCredentials(db: Database, hashes?: readonly string[]): Promise<Credential[]> {
  let query = db
    .selectFrom("tokens")
    .leftJoin("users", "users.name", "tokens.owner")
    .select(["tokens.hash", "tokens.name", "tokens.role", "tokens.groups", "tokens.owner", "tokens.expires_at"])
    .select(["users.role as owner_role", "users.groups as owner_groups"]);
  if (hashes) query = query.where("tokens.hash", "in", hashes);
  return (await query.execute()).map((row) => ({
    hash: row.hash,
    kind: "token",
    identity: tokenIdentity(row),
    host: null,
    expiresAt: row.expires_at,
    endsAt: null,
  }));
}

async function sessionCredentials(db: Database, hashes?: readonly string[]): Promise<Credential[]> {
  let query = db
    .selectFrom("sessions")
    .leftJoin("users", "users.name", "sessions.user_name")
    .leftJoin("tokens", "tokens.id", "sessions.token_id")
    .leftJoin("users as owners", "owners.name", "tokens.owner")
    .select(["sessions.hash", "sessions.host", "sessions.expires_at", "sessions.ends_at"])
    .select(["users.name as user_name", "users.role as user_role", "users.groups as user_groups"])
    .select(["tokens.name", "tokens.role", "tokens.groups", "tokens.owner", "tokens.expires_at as token_expires_at"])
    .select(["owners.role as owner_role", "owners.groups as owner_groups"]);
  query = hashes
    ? query.where("sessions.hash", "in", hashes)
    : query.where("sessions.host", "is not", null).where("sessions.expires_at", ">", sql<Date>`now()`);
  return (await query.execute()).map((row) => {
    const expiry = [row.expires_at, row.ends_at, ...(row.token_expires_at ? [row.token_expires_at] : [])];
    return {
      hash: row.hash,
      kind: "session",
      identity:
        row.user_name === null || row.user_role === null
          ? tokenIdentity(row)
          : { name: row.user_name, kind: "user", role: row.user_role, groups: row.user_groups ?? [] },
      host: row.host,
      expiresAt: expiry.reduce((a, b) => (a < b ? a : b)),
      endsAt: row.ends_at,
    };
  });
}

interface TokenColumns {
  name: string | null;
  role: Role | null;
  groups: string[] | null;
  owner: string | null;
  owner_role: Role | null;
  owner_groups: string[] | null;
}

/** A token acts for its owner, with no more than the owner's role and the owner's groups of today. */
function tokenIdentity(row: TokenColumns): Credential["identity"] {
  const role = row.role ?? "viewer";
  return row.owner === null
    ? { name: row.name ?? "", kind: "token", role, groups: row.groups ?? [] }
    : {
        name: row.owner,
        kind: "token",
        role: lesserRole(role, row.owner_role ?? "viewer"),
        groups: row.owner_groups ?? [],
      };
}

/** Sliding expiry, and when a token was last of use. A session made from another keeps that one alive too. */
export async function recordUse(
  db: Database,
  hashes: readonly string[],
  { at, expiresAt }: { at: Date; expiresAt: Date },
): Promise<void> {
  if (hashes.length === 0) return;
  await sql`
    update sessions set expires_at = least(greatest(expires_at, ${expiresAt}::timestamptz), ends_at)
    where expires_at > ${at} and hash in (
      select hash from sessions where hash = any(${[...hashes]})
      union select parent from sessions where hash = any(${[...hashes]}))`.execute(db);
  await db.updateTable("tokens").set({ last_used_at: at }).where("hash", "in", hashes).execute();
}
