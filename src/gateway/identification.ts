import type { Cookies } from "../access/proof/cookie.ts";
import { isGood, presentedBy, type Credential } from "../access/proof/credential.ts";
import { isForged } from "../access/proof/forgery.ts";
import { idleSessionMs, useIntervalMs } from "../access/session-life.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import type { Log } from "../core/log.ts";
import type { Mirror, StateSource } from "./mirror.ts";

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
  /** Writes down which credentials were used; for a timer, and once more at the end. */
  flushUse(): Promise<void>;
}

interface Parts {
  readonly mirror: Mirror;
  readonly source: () => StateSource;
  readonly cookies: Cookies;
  readonly clock: Clock;
  readonly log: Log;
}

// An unknown credential is not asked about again for this long, unless PostgreSQL tells of it.
const unknownForMs = 2_000;
const maxUnknown = 10_000;

export function makeIdentification({ mirror, source, cookies, clock, log }: Parts): Identification {
  const unknownUntilMs = new Map<string, number>();
  const writtenAtMs = new Map<string, number>();
  const used = new Set<string>();

  function noteUse({ hash, kind, expiresAt, endsAt }: Credential, nowMs: number): void {
    if (nowMs - (writtenAtMs.get(hash) ?? 0) < useIntervalMs) return;
    writtenAtMs.set(hash, nowMs);
    used.add(hash);
    const extendedMs = Math.min(nowMs + idleSessionMs, endsAt?.getTime() ?? Infinity);
    if (kind === "session" && expiresAt !== null && expiresAt.getTime() < extendedMs)
      mirror.extend(hash, new Date(extendedMs));
  }

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

  return {
    identify(appearance, label) {
      const { token, sessions } = presentedBy(appearance, cookies);
      // The operator's own token may look like anything: it is known by being held.
      const isHeld = token !== null && mirror.credential(token.hash) !== null;
      const isOurAuthorization = isHeld || token?.isWaybills === true;
      const hashes = [
        ...(token !== null && (isHeld || token.isWhole) ? [token.hash] : []),
        // A cookie does not speak for what another site's page sends.
        ...(isForged(appearance) ? [] : sessions),
      ];
      const now = clock.now();
      const answer = (): Identified => {
        const known = hashes
          .map((hash) => mirror.credential(hash))
          .find((one) => one !== null && isGood(one, label, now));
        if (known) noteUse(known, now.getTime());
        return { identity: known?.identity ?? null, isOurAuthorization };
      };
      const wanted = hashes.filter((hash) => isWorthAsking(hash, now.getTime()));
      const first = answer();
      if (first.identity !== null || wanted.length === 0) return first;
      return Promise.all(wanted.map(ask)).then(answer);
    },
    async flushUse() {
      if (used.size === 0) return;
      const hashes = [...used];
      used.clear();
      if (writtenAtMs.size > maxUnknown) writtenAtMs.clear();
      const now = clock.now();
      try {
        await source().recordUse(hashes, now, new Date(now.getTime() + idleSessionMs));
      } catch (error) {
        // Lost is only how far a session is extended: the next use within minutes writes it again.
        for (const hash of hashes) writtenAtMs.delete(hash);
        log.debug({ error: messageOf(error) }, "use of credentials could not be written");
      }
    },
  };
}
