import type { Credential } from "./proof/credential.ts";
import type { Role } from "./permission.ts";

export interface User {
  readonly name: string;
  readonly role: Role;
  readonly groups: readonly string[];
  readonly hasPassword: boolean;
  readonly createdAt: Date;
}

export interface Token {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly groups: readonly string[];
  /** The user for whom it acts; null: it acts under its own name. */
  readonly owner: string | null;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly lastUsedAt: Date | null;
}

/** For whom a session stands. */
export type Subject =
  | { readonly kind: "user"; readonly name: string }
  | { readonly kind: "token"; readonly id: string };

export interface NewSession {
  readonly hash: string;
  readonly subject: Subject;
  readonly expiresAt: Date;
  readonly endsAt: Date;
}

export interface NewLink {
  readonly hash: string;
  readonly user: string;
  readonly role: Role;
  readonly groups: readonly string[];
  readonly createdBy: string;
  readonly expiresAt: Date;
}

export interface NewToken extends Omit<Token, "lastUsedAt"> {
  readonly hash: string;
}

export interface HostCode {
  readonly hash: string;
  /** The session on the bare domain that it was made from. */
  readonly session: string;
  readonly host: string;
  readonly path: string;
  /** Hash of the nonce in the browser that began the sign-in. */
  readonly state: string;
  readonly expiresAt: Date;
}

/** What is remembered about people and programs. Carried out by the store. */
export interface AccessStore {
  /** The credentials behind these hashes, as far as they exist; nothing is said about their expiry. */
  credentials(hashes: readonly string[]): Promise<readonly Credential[]>;

  users(): Promise<readonly User[]>;
  passwordHash(user: string): Promise<string | null>;
  /** Answers false when the name is taken, by a user or by a token that acts under its own name. */
  addUser(user: Pick<User, "name" | "role" | "groups">): Promise<boolean>;
  /** Answers false when there is no such user. */
  changeUser(
    name: string,
    change: { role?: Role; groups?: readonly string[]; passwordHash?: string },
  ): Promise<boolean>;
  removeUser(name: string): Promise<boolean>;
  hasAdministrator(): Promise<boolean>;

  tokens(owner?: string): Promise<readonly Token[]>;
  /** Answers false when the name is taken. */
  addToken(token: NewToken): Promise<boolean>;
  removeToken(id: string, owner?: string): Promise<boolean>;
  /** Makes `token` the only one of its id, whatever its hash was before; null removes it. */
  replaceToken(id: string, token: NewToken | null): Promise<void>;
  /** The id of the token that has this hash. */
  tokenId(hash: string): Promise<string | null>;

  addSession(session: NewSession): Promise<void>;
  /** Ends the session, those made from it, the one it was made from, and that one's others. */
  removeSessionFamily(hash: string): Promise<void>;
  removeSessionsOf(user: string): Promise<void>;
  /** Notes that the credentials were used: sessions then expire no earlier than `expiresAt`, and never after their end. */
  recordUse(hashes: readonly string[], at: Date, expiresAt: Date): Promise<void>;
  removeExpired(now: Date): Promise<void>;

  addLink(link: NewLink): Promise<void>;
  /** Answers the link if it is still good, without using it up. */
  findLink(hash: string, now: Date): Promise<NewLink | null>;
  /** Uses the link up: makes its user when missing, and begins the session. Null: no such link, or used, or expired. */
  redeemLink(hash: string, now: Date, session: Omit<NewSession, "subject">): Promise<NewLink | null>;

  addHostCode(code: HostCode): Promise<void>;
  /** Uses the code up, whatever becomes of it. */
  takeHostCode(hash: string, now: Date): Promise<HostCode | null>;
  /** Makes a session on one host from one on the bare domain, for as long as that one lasts; false when it is gone. */
  addHostSession(session: { hash: string; host: string; parent: string }, now: Date, expiresAt: Date): Promise<boolean>;
}
