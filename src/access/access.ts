import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Secret } from "../core/secret.ts";
import { installBootstrapToken, makeAccountBook, type AccountBook } from "./account-book.ts";
import type { AccessStore } from "./account.ts";
import { makeCookies, type Cookies } from "./proof/cookie.ts";
import { isGood, presentedBy } from "./proof/credential.ts";
import { isForged } from "./proof/forgery.ts";
import { makeHostSessions, type HostSessions, type Landing } from "./host-session.ts";
import type { PublicOrigin } from "./origin.ts";
import { makePasswords } from "./proof/password.ts";
import { idleSessionMs, useIntervalMs } from "./session-life.ts";
import { makeSignIn, type SignIn } from "./sign-in.ts";

export interface Access extends SignIn, AccountBook {
  readonly cookies: Cookies;
  /**
   * Who sent a request to the bare domain; null for nobody. A session's cookie does not count on a request that
   * another site's page may have sent: give the method, or the request is judged as one that changes something.
   */
  authenticate(headers: Headers, host: string, method?: string): Promise<Identity | null>;
  /** Ends a sign-in on a deployment's host, at `callbackPath`. */
  finishHostSession(code: string, host: string, headers: Headers): Promise<Landing>;
  /** The link by which the operator becomes the first administrator; null once there is an administrator. */
  firstAdministratorLink(): Promise<Secret | null>;
  /** Removes what expired; for a timer. */
  sweep(): Promise<void>;
}

interface Parts {
  readonly store: AccessStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly origin: PublicOrigin;
}

const firstLinkLifeMs = 60 * 60 * 1000;
const operator: Identity = { name: "operator", kind: "token", role: "admin", groups: [] };

/** Who someone is and how they prove it. `bootstrapToken` is the operator's own, null where there is none. */
export async function makeAccess(parts: Parts & { readonly bootstrapToken?: Secret | null }): Promise<Access> {
  const { store, clock, origin } = parts;
  await installBootstrapToken(store, parts.bootstrapToken ?? null, clock.now());
  const cookies = makeCookies(origin);
  const passwords = makePasswords(
    () => new WaybillError("SIGN_IN_LIMITED", "Too many people sign in at once. Try again.", { retryAfterMs: 2000 }),
  );
  const hostSessions: HostSessions = makeHostSessions({ store, clock, origin, cookies });
  const book = makeAccountBook({ store, clock, origin, passwords });
  return {
    ...book,
    ...makeSignIn({ store, clock, origin, cookies, passwords, hostSessions }),
    cookies,
    authenticate: makeAuthenticate({ ...parts, cookies }),
    finishHostSession: (code, host, headers) => hostSessions.finish({ code, host, cookie: headers.get("cookie") }),
    async firstAdministratorLink() {
      if (await store.hasAdministrator()) return null;
      return (await book.invite(operator, { user: "admin", role: "admin", lifeMs: firstLinkLifeMs })).url;
    },
    sweep: () => store.removeExpired(clock.now()),
  };
}

function makeAuthenticate({ store, clock, log, cookies }: Parts & { readonly cookies: Cookies }) {
  const usedAtMs = new Map<string, number>();

  function noteUse(hash: string): void {
    const nowMs = clock.now().getTime();
    if (nowMs - (usedAtMs.get(hash) ?? 0) < useIntervalMs) return;
    if (usedAtMs.size > 10_000) usedAtMs.clear();
    usedAtMs.set(hash, nowMs);
    store.recordUse([hash], new Date(nowMs), new Date(nowMs + idleSessionMs)).catch((error: unknown) => {
      log.warn({ error: messageOf(error) }, "use of a credential not recorded");
    });
  }

  return async (headers: Headers, host: string, method = "POST"): Promise<Identity | null> => {
    const presented = presentedBy(
      { cookie: headers.get("cookie"), authorization: headers.get("authorization") },
      cookies,
    );
    const forged = isForged({
      method,
      host,
      origin: headers.get("origin"),
      secFetchSite: headers.get("sec-fetch-site"),
    });
    const hashes = [...(presented.token ? [presented.token.hash] : []), ...(forged ? [] : presented.sessions)];
    if (hashes.length === 0) return null;
    const known = await store.credentials(hashes);
    const good = hashes
      .map((hash) => known.find((one) => one.hash === hash))
      .find((one) => one !== undefined && isGood(one, null, clock.now()));
    if (good === undefined) return null;
    noteUse(good.hash);
    return good.identity;
  };
}
