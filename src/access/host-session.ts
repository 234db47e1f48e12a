import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { AccessStore } from "./account.ts";
import type { Cookies } from "./proof/cookie.ts";
import { isGood, presentedBy } from "./proof/credential.ts";
import { callbackPath, placeOf, returnPlaceOf, workloadUrl, type PublicOrigin } from "./origin.ts";
import { absoluteSessionMs, idleSessionMs } from "./session-life.ts";
import { hashOf, mintSecret } from "./proof/token.ts";

/** What the answer to a sign-in step is made of. */
export interface Landing {
  readonly setCookie: readonly string[];
  readonly location: string;
}

// Long enough for a slow redirect, too short to be found in a browser's history and used.
const codeLifeMs = 60_000;

export interface HostSessions {
  /** Where to send the browser next. `session`: hash of its session on the bare domain. */
  locationAfterSignIn(step: { session: string; returnTo: string | null; state: string | null }): Promise<string>;
  /** Ends a sign-in on a deployment's host: the code, once, in the browser that began it, becomes that host's session. */
  finish(step: { code: string; host: string; cookie: string | null }): Promise<Landing>;
}

interface Parts {
  readonly store: AccessStore;
  readonly clock: Clock;
  readonly origin: PublicOrigin;
  readonly cookies: Cookies;
}

export function makeHostSessions({ store, clock, origin, cookies }: Parts): HostSessions {
  return {
    async locationAfterSignIn({ session, returnTo, state }) {
      const place = returnPlaceOf(returnTo, origin);
      // Relative: whoever signs in at 127.0.0.1 has the cookie there, and not at the domain.
      if (place.kind === "bare") return place.path;
      const host = workloadUrl(origin, place.label);
      // Without a nonce this sign-in did not begin on that host: going there begins one.
      if (state === null) return host + place.path;
      const code = mintSecret();
      const expiresAt = new Date(clock.now().getTime() + codeLifeMs);
      await store.addHostCode({ hash: code.hash, session, host: place.label, path: place.path, state, expiresAt });
      return `${host}${callbackPath}?code=${code.secret.reveal()}`;
    },

    async finish({ code, host, cookie }) {
      const place = placeOf(host, origin);
      if (place.kind !== "workload") throw expired();
      const now = clock.now();
      const taken = await store.takeHostCode(hashOf(code), now);
      const nonces = cookies.read(cookie, cookies.state).map(hashOf);
      if (taken === null || taken.host !== place.label || !nonces.includes(taken.state)) throw expired();
      const [parent] = await store.credentials([taken.session]);
      if (parent === undefined || !isGood(parent, null, now)) throw expired();
      const minted = mintSecret();
      const session = { hash: minted.hash, host: place.label, parent: taken.session };
      if (!(await store.addHostSession(session, now, new Date(now.getTime() + idleSessionMs)))) throw expired();
      return {
        setCookie: [
          cookies.set(cookies.session, minted.secret.reveal(), absoluteSessionMs / 1000),
          cookies.clear(cookies.state),
        ],
        location: workloadUrl(origin, place.label) + taken.path,
      };
    },
  };
}

/** The hash of the session on the bare domain that the request brought, if it is still good. */
export async function mainSessionOf(cookie: string | null, { store, clock, cookies }: Parts): Promise<string | null> {
  const { sessions } = presentedBy({ cookie }, cookies);
  const known = sessions.length === 0 ? [] : await store.credentials(sessions);
  return known.find((one) => one.kind === "session" && isGood(one, null, clock.now()))?.hash ?? null;
}

const expired = (): WaybillError =>
  new WaybillError(
    "SIGN_IN_FAILED",
    "This sign-in was used already, took longer than a minute, or began in another browser. Open the address again.",
  );
