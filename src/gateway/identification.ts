import type { Cookies } from "../access/proof/cookie.ts";
import { isGood, presentedBy, type Credential } from "../access/proof/credential.ts";
import { isForged } from "../access/proof/forgery.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import type { Log } from "../core/log.ts";
import type { Mirror } from "./mirror.ts";
import type { UseLog } from "./use-log.ts";

/** The parts of a request by which its sender is known. */
export interface Appearance {
  readonly method: string;
  readonly isUpgrade: boolean;
  readonly host: string;
  readonly cookie: string | undefined;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly secFetchSite: string | undefined;
}

export interface Identified {
  readonly identity: Identity | null;
  /** The Authorization header speaks to us, and must not reach the application. */
  readonly isOurAuthorization: boolean;
}

export interface Identification {
  /** Who sends this to the deployment's host `label`; a promise only where the database must be asked. */
  identify(appearance: Appearance, label: string): Identified | Promise<Identified>;
  /** The same of a connection that stays, by what is held now: neither asks the database nor counts as use. */
  recall(appearance: Appearance, label: string): Identified;
}

interface Parts {
  readonly mirror: Mirror;
  readonly useLog: UseLog;
  readonly cookies: Cookies;
  readonly clock: Clock;
  readonly log: Log;
}

// An unknown credential is not asked about again for this long, unless PostgreSQL tells of it.
const unknownForMs = 2_000;
const maxUnknown = 10_000;

export function makeIdentification({ mirror, useLog, cookies, clock, log }: Parts): Identification {
  const unknownUntilMs = new Map<string, number>();

  function isWorthAsking(hash: string, nowMs: number): boolean {
    return mirror.credential(hash) === null && (unknownUntilMs.get(hash) ?? 0) <= nowMs;
  }

  async function ask(hash: string): Promise<void> {
    try {
      if ((await mirror.ask(hash)) !== null) return;
    } catch (error) {
      log.debug({ error: messageOf(error) }, "a credential could not be looked up");
    }
    if (unknownUntilMs.size >= maxUnknown) unknownUntilMs.clear();
    unknownUntilMs.set(hash, clock.now().getTime() + unknownForMs);
  }

  function proofOf(appearance: Appearance) {
    const { token, sessions } = presentedBy(appearance, cookies);
    // The operator's own token may look like anything: it is known by being held.
    const isHeld = token !== null && mirror.credential(token.hash) !== null;
    const isOurAuthorization = isHeld || token?.isWaybills === true;
    const hashes = [
      ...(token !== null && (isHeld || token.isWhole) ? [token.hash] : []),
      // A cookie does not speak for what another site's page sends.
      ...(isForged(appearance) ? [] : sessions),
    ];
    return { hashes, isOurAuthorization };
  }

  const findGood = (hashes: readonly string[], label: string, now: Date): Credential | null =>
    hashes.map((hash) => mirror.credential(hash)).find((one) => one !== null && isGood(one, label, now)) ?? null;

  return {
    recall(appearance, label) {
      const { hashes, isOurAuthorization } = proofOf(appearance);
      return { identity: findGood(hashes, label, clock.now())?.identity ?? null, isOurAuthorization };
    },
    identify(appearance, label) {
      const { hashes, isOurAuthorization } = proofOf(appearance);
      const now = clock.now();
      const answer = (): Identified => {
        const known = findGood(hashes, label, now);
        if (known) useLog.note(known);
        return { identity: known?.identity ?? null, isOurAuthorization };
      };
      const wanted = hashes.filter((hash) => isWorthAsking(hash, now.getTime()));
      const first = answer();
      if (first.identity !== null || wanted.length === 0) return first;
      return Promise.all(wanted.map(ask)).then(answer);
    },
  };
}
