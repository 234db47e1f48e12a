import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { AccessStore, NewLink, Subject } from "./account.ts";
import { makeAttempts } from "./proof/attempts.ts";
import type { Cookies } from "./proof/cookie.ts";
import { isGood, presentedBy } from "./proof/credential.ts";
import { mainSessionOf, type HostSessions, type Landing } from "./host-session.ts";
import { placeOf, signInPath, workloadUrl, type PublicOrigin } from "./origin.ts";
import type { Passwords } from "./proof/password.ts";
import { absoluteSessionMs, idleSessionMs } from "./session-life.ts";
import { hashOf, mintSecret } from "./proof/token.ts";

/** `return` and `state` of the sign-in page's address, as they came: nothing in them is trusted. */
export interface Onward {
  readonly returnTo: string | null;
  readonly state: string | null;
}

export interface SignIn {
  /** `address` is the client's, for slowing down guesses. Throws SIGN_IN_FAILED or SIGN_IN_LIMITED. */
  signInWithPassword(step: Onward & { name: string; password: Secret; address: string }): Promise<Landing>;
  signInWithToken(step: Onward & { token: Secret; address: string }): Promise<Landing>;
  /** For whom a one-time link is, without using it up. */
  inspectLink(link: Secret): Promise<Pick<NewLink, "user" | "role"> | null>;
  redeemLink(step: Onward & { link: Secret }): Promise<Landing>;
  /** Where somebody who is signed in on the bare domain goes on to; null when they are not. */
  continueSignIn(step: Onward & { cookie: string | null }): Promise<Landing | null>;
  signOut(step: { cookie: string | null; host: string }): Promise<Landing>;
}

interface Parts {
  readonly store: AccessStore;
  readonly clock: Clock;
  readonly origin: PublicOrigin;
  readonly cookies: Cookies;
  readonly passwords: Passwords;
  readonly hostSessions: HostSessions;
}

export function makeSignIn(parts: Parts): SignIn {
  const { store, clock, cookies, passwords, hostSessions } = parts;
  const guard = makeGuard(clock);

  async function enter(subject: Subject, { returnTo, state }: Onward): Promise<Landing> {
    const minted = mintSecret();
    await store.addSession({ hash: minted.hash, subject, ...lifeFrom(clock.now()) });
    return land(minted.hash, minted.secret, { returnTo, state });
  }

  async function land(session: string, secret: Secret, { returnTo, state }: Onward): Promise<Landing> {
    const location = await hostSessions.locationAfterSignIn({ session, returnTo, state });
    return { setCookie: [cookies.set(cookies.session, secret.reveal(), absoluteSessionMs / 1000)], location };
  }

  return {
    async signInWithPassword({ name, password, address, ...onward }) {
      const user = name.toLowerCase();
      return guard({ address, name: user }, async () => {
        const isRight = await passwords.verify(password, await store.passwordHash(user));
        return isRight ? enter({ kind: "user", name: user }, onward) : null;
      });
    },
    async signInWithToken({ token, address, ...onward }) {
      return guard({ address, name: null }, async () => {
        const hash = hashOf(token.reveal().trim());
        const [credential] = await store.credentials([hash]);
        if (credential?.kind !== "token" || !isGood(credential, null, clock.now())) return null;
        const id = await store.tokenId(hash);
        return id === null ? null : enter({ kind: "token", id }, onward);
      });
    },
    inspectLink: (link) => store.findLink(hashOf(link.reveal()), clock.now()),
    async redeemLink({ link, ...onward }) {
      const minted = mintSecret();
      const session = { hash: minted.hash, ...lifeFrom(clock.now()) };
      const redeemed = await store.redeemLink(hashOf(link.reveal()), clock.now(), session);
      if (redeemed === null) {
        throw new WaybillError(
          "SIGN_IN_FAILED",
          "This link was used already, or is too old. Ask for a new one: it works once.",
        );
      }
      return land(minted.hash, minted.secret, onward);
    },
    async continueSignIn({ cookie, ...onward }) {
      const session = await mainSessionOf(cookie, parts);
      if (session === null) return null;
      return { setCookie: [], location: await hostSessions.locationAfterSignIn({ session, ...onward }) };
    },
    signOut: (step) => signOut(step, parts),
  };
}

async function signOut(
  { cookie, host }: { cookie: string | null; host: string },
  { store, cookies, origin }: Parts,
): Promise<Landing> {
  const { sessions } = presentedBy({ cookie }, cookies);
  for (const session of sessions) await store.removeSessionFamily(session);
  const place = placeOf(host, origin);
  return {
    setCookie: [cookies.clear(cookies.session)],
    location: place.kind === "workload" ? `${workloadUrl(origin, place.label)}/` : signInPath,
  };
}

const lifeFrom = (now: Date): { expiresAt: Date; endsAt: Date } => ({
  expiresAt: new Date(now.getTime() + idleSessionMs),
  endsAt: new Date(now.getTime() + absoluteSessionMs),
});

// A person mistypes a few times; an office behind one address has many people; a name may be tried from many addresses.
const freeFailures = { pair: 5, address: 30, name: 100 };

/** Runs `attempt` unless too many before it failed; its null becomes the one message for every cause of failure. */
function makeGuard(clock: Clock) {
  const byPair = makeAttempts(clock, freeFailures.pair);
  const byAddress = makeAttempts(clock, freeFailures.address);
  const byName = makeAttempts(clock, freeFailures.name);
  return async (who: { address: string; name: string | null }, attempt: () => Promise<Landing | null>) => {
    const name = who.name?.slice(0, 200) ?? "";
    const [pair, address, names] = [[`${name}|${who.address}`], [who.address], name === "" ? [] : [name]];
    const delayMs = Math.max(byPair.delayMs(pair), byAddress.delayMs(address), byName.delayMs(names));
    if (delayMs > 0) throw limited(delayMs);
    // Counted before it is known: otherwise many at once would all pass the check above.
    byPair.failed(pair);
    byAddress.failed(address);
    byName.failed(names);
    const landing = await attempt();
    if (landing === null)
      throw new WaybillError("SIGN_IN_FAILED", "The name and password, or the token, are not right.");
    byPair.forget(pair);
    // Only this try is taken back: somebody with one good account must not wipe out what they guessed of others.
    byAddress.undo(address);
    byName.undo(names);
    return landing;
  };
}

function limited(retryAfterMs: number): WaybillError {
  const seconds = Math.ceil(retryAfterMs / 1000);
  return new WaybillError("SIGN_IN_LIMITED", `Too many failed attempts. Try again in ${seconds} s.`, { retryAfterMs });
}
