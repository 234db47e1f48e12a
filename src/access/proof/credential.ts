import type { Identity } from "../../core/identity.ts";
import type { Cookies } from "./cookie.ts";
import { hashOf, isToken, tokenPrefix } from "./token.ts";

/** What a hash in the store stands for. */
export interface Credential {
  readonly hash: string;
  readonly kind: "session" | "token";
  readonly identity: Identity;
  /** A session is good on one host alone: null is the bare domain. A token is good everywhere, and has null. */
  readonly host: string | null;
  /** Null: it does not expire. */
  readonly expiresAt: Date | null;
  /** A session's use extends it up to here; null for tokens. */
  readonly endsAt: Date | null;
}

/** What a request brought along, as hashes only. */
export interface Presented {
  /** Of the session cookies: usually one. */
  readonly sessions: readonly string[];
  /**
   * Of the Authorization header, whatever it holds. `isWaybills`: it has our tokens' prefix, and is no application's.
   * `isWhole`: its checksum is right, so that it is worth looking up.
   */
  readonly token: { readonly hash: string; readonly isWaybills: boolean; readonly isWhole: boolean } | null;
}

// A browser sends a handful of cookies of one name at most; more is somebody filling up the look-ups.
const maxSessions = 3;

/** Reads `Cookie` and `Authorization` (token, Bearer, or Basic with the token as password). */
export function presentedBy(
  headers: { readonly cookie?: string | null | undefined; readonly authorization?: string | null | undefined },
  cookies: Cookies,
): Presented {
  const values = cookies.read(headers.cookie, cookies.session).slice(0, maxSessions);
  const token = tokenOf(headers.authorization ?? "");
  return {
    sessions: values.filter((value) => value !== "").map(hashOf),
    token:
      token === null
        ? null
        : { hash: hashOf(token), isWaybills: token.startsWith(tokenPrefix), isWhole: isToken(token) },
  };
}

/** Whether the credential is valid at `now` on this host (null: the bare domain). */
export function isGood(credential: Credential, host: string | null, now: Date): boolean {
  if (credential.expiresAt !== null && credential.expiresAt <= now) return false;
  return credential.kind === "token" || credential.host === host;
}

function tokenOf(authorization: string): string | null {
  const [, scheme, value] = /^(token|bearer|basic)[ \t]+([^ \t].*)$/i.exec(authorization.trim()) ?? [];
  if (scheme === undefined || value === undefined) return null;
  if (scheme.toLowerCase() !== "basic") return value.trim();
  // RFC 7617, section 2: user name and password are split at the first colon.
  const pair = Buffer.from(value.trim(), "base64").toString("utf8");
  const colon = pair.indexOf(":");
  const password = colon === -1 ? "" : pair.slice(colon + 1);
  return password === "" ? null : password;
}
