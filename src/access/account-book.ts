import { randomUUID } from "node:crypto";
import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import { Secret } from "../core/secret.ts";
import type { AccessStore, Token, User } from "./account.ts";
import { bareUrl, linkPath, type PublicOrigin } from "./origin.ts";
import type { Passwords } from "./proof/password.ts";
import { lesserRole, mayAdminister, type Role } from "./permission.ts";
import { hashOf, mintSecret, mintToken } from "./proof/token.ts";

export interface NewTokenRequest {
  readonly name: string;
  /** Default: the asker's own. Never more than that. */
  readonly role?: Role;
  /** Only for tokens that act under their own name. */
  readonly groups?: readonly string[];
  /** True: it acts under its own name instead of the asker's. An administrator's to make. */
  readonly isService?: boolean;
  readonly expiresAt?: Date | null;
}

/** Users, tokens and links, as somebody with the right to do so manages them. */
export interface AccountBook {
  listUsers(by: Identity): Promise<readonly User[]>;
  changeUser(by: Identity, name: string, change: { role?: Role; groups?: readonly string[] }): Promise<void>;
  removeUser(by: Identity, name: string): Promise<void>;
  /** One's own, or anybody's by an administrator. */
  setPassword(by: Identity, name: string, password: Secret): Promise<void>;
  /** A one-time link that signs `user` in, and makes the account first where there is none. */
  invite(
    by: Identity,
    invitation: { user: string; role?: Role; groups?: readonly string[]; lifeMs?: number },
  ): Promise<{ url: Secret; expiresAt: Date }>;
  listTokens(by: Identity): Promise<readonly Token[]>;
  /** The secret is answered this once. */
  createToken(by: Identity, request: NewTokenRequest): Promise<{ token: Token; secret: Secret }>;
  revokeToken(by: Identity, id: string): Promise<void>;
}

interface Parts {
  readonly store: AccessStore;
  readonly clock: Clock;
  readonly origin: PublicOrigin;
  readonly passwords: Passwords;
}

const invitationLifeMs = 7 * 24 * 60 * 60 * 1000;
const shortestPassword = 12;
const longestPassword = 1024;
// Fit for a header, a log line and a tag's trailer.
const accountName = /^[a-z0-9][a-z0-9._@+-]{0,63}$/;
const groupName = /^[a-z0-9][a-z0-9._/-]{0,63}$/;

export function makeAccountBook({ store, clock, origin, passwords }: Parts): AccountBook {
  return {
    async listUsers(by) {
      requireAdministrator(by);
      return store.users();
    },
    async changeUser(by, name, change) {
      requireAdministrator(by);
      checkGroups(change.groups ?? []);
      if (!(await store.changeUser(name, change))) throw noUser(name);
    },
    async removeUser(by, name) {
      requireAdministrator(by);
      if (!(await store.removeUser(name))) throw noUser(name);
    },
    async setPassword(by, name, password) {
      const isOwn = by.kind === "user" && by.name === name;
      if (!isOwn) requireAdministrator(by);
      const { length } = password.reveal();
      if (length < shortestPassword || length > longestPassword) {
        throw invalid(`a password has ${shortestPassword} to ${longestPassword} characters; this one has ${length}`);
      }
      if (!(await store.changeUser(name, { passwordHash: await passwords.hash(password) }))) throw noUser(name);
    },
    async invite(by, { user, role = "member", groups = [], lifeMs = invitationLifeMs }) {
      requireAdministrator(by);
      checkName(user);
      checkGroups(groups);
      const { secret, hash } = mintSecret();
      const expiresAt = new Date(clock.now().getTime() + lifeMs);
      await store.addLink({ hash, user, role, groups, createdBy: by.name, expiresAt });
      return { url: new Secret(`${bareUrl(origin)}${linkPath}?token=${secret.reveal()}`), expiresAt };
    },
    listTokens: (by) => (mayAdminister(by) ? store.tokens() : store.tokens(by.name)),
    createToken: (by, request) => createToken(by, request, { store, clock }),
    async revokeToken(by, id) {
      const isRemoved = await (mayAdminister(by) ? store.removeToken(id) : store.removeToken(id, by.name));
      if (!isRemoved) throw new WaybillError("NOT_FOUND", `there is no token ${JSON.stringify(id)} of yours`);
    },
  };
}

async function createToken(
  by: Identity,
  { name, role = by.role, groups = [], isService = by.kind === "token", expiresAt = null }: NewTokenRequest,
  { store, clock }: Pick<Parts, "store" | "clock">,
): Promise<{ token: Token; secret: Secret }> {
  if (isService) requireAdministrator(by);
  checkName(name);
  checkGroups(groups);
  if (lesserRole(role, by.role) !== role) {
    throw new WaybillError("FORBIDDEN", `a token of yours has at most your own role, ${by.role}; asked was ${role}`);
  }
  if (expiresAt !== null && expiresAt <= clock.now()) throw invalid("the token would have expired already");
  const { secret, hash } = mintToken();
  const token: Token = {
    id: randomUUID(),
    name,
    role,
    groups: isService ? groups : [],
    owner: isService ? null : by.name,
    createdBy: by.name,
    createdAt: clock.now(),
    expiresAt,
    lastUsedAt: null,
  };
  if (!(await store.addToken({ ...token, hash }))) {
    throw new WaybillError(
      "CONFLICT",
      `the name ${JSON.stringify(name)} is taken: choose another, or revoke that token`,
    );
  }
  return { token, secret };
}

const bootstrapId = "00000000-0000-4000-8000-000000000001";
const shortestBootstrapToken = 32;

/** Makes the operator's own token (WAYBILL_BOOTSTRAP_TOKEN) an administrator's; null takes an earlier one back. */
export async function installBootstrapToken(store: AccessStore, bootstrap: Secret | null, now: Date): Promise<void> {
  if (bootstrap === null) return store.replaceToken(bootstrapId, null);
  const value = bootstrap.reveal();
  if (value.length < shortestBootstrapToken || /[^\u0021-\u007e]/.test(value)) {
    throw new WaybillError(
      "SETTINGS_INVALID",
      `WAYBILL_BOOTSTRAP_TOKEN must have at least ${shortestBootstrapToken} printable characters without spaces; it has ${value.length}. One is made by: openssl rand -hex 32`,
    );
  }
  const times = { createdAt: now, expiresAt: null };
  const token = { id: bootstrapId, name: "bootstrap", role: "admin", groups: [], owner: null } as const;
  return store.replaceToken(bootstrapId, { ...token, ...times, createdBy: "operator", hash: hashOf(value) });
}

function requireAdministrator(by: Identity): void {
  if (!mayAdminister(by)) throw new WaybillError("FORBIDDEN", `${by.name} is no administrator: ask one to do this`);
}

function checkName(name: string): void {
  if (!accountName.test(name)) {
    throw invalid(
      `a name is 1 to 64 of a-z 0-9 . _ @ + -, and begins with a letter or digit; found ${JSON.stringify(name)}`,
    );
  }
}

function checkGroups(groups: readonly string[]): void {
  const wrong = groups.find((group) => !groupName.test(group));
  if (wrong !== undefined) throw invalid(`a group is 1 to 64 of a-z 0-9 . _ / -; found ${JSON.stringify(wrong)}`);
}

const invalid = (message: string): WaybillError => new WaybillError("REQUEST_INVALID", message);
const noUser = (name: string): WaybillError =>
  new WaybillError("NOT_FOUND", `there is no user ${JSON.stringify(name)}`);
