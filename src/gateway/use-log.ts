import type { Credential } from "../access/proof/credential.ts";
import { idleSessionMs, useIntervalMs } from "../access/session-life.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Mirror, StateSource } from "./mirror.ts";

/** Remembers which credentials were used, and writes it down now and then: sessions last as long as they are used. */
export interface UseLog {
  note(credential: Credential): void;
  /** For a timer, and once more at the end. */
  flush(): Promise<void>;
}

interface Parts {
  readonly mirror: Pick<Mirror, "extend">;
  readonly source: () => Pick<StateSource, "recordUse">;
  readonly clock: Clock;
  readonly log: Log;
}

const maxRemembered = 10_000;

export function makeUseLog({ mirror, source, clock, log }: Parts): UseLog {
  const notedAtMs = new Map<string, number>();
  const unwritten = new Set<string>();
  return {
    note({ hash, kind, expiresAt, endsAt }) {
      const nowMs = clock.now().getTime();
      if (nowMs - (notedAtMs.get(hash) ?? 0) < useIntervalMs) return;
      notedAtMs.set(hash, nowMs);
      unwritten.add(hash);
      const extendedMs = Math.min(nowMs + idleSessionMs, endsAt?.getTime() ?? Infinity);
      if (kind !== "session" || expiresAt === null || expiresAt.getTime() >= extendedMs) return;
      mirror.extend(hash, new Date(extendedMs));
    },
    async flush() {
      if (unwritten.size === 0) return;
      const hashes = [...unwritten];
      unwritten.clear();
      if (notedAtMs.size > maxRemembered) notedAtMs.clear();
      const now = clock.now();
      try {
        await source().recordUse(hashes, now, new Date(now.getTime() + idleSessionMs));
      } catch (error) {
        // Lost is only how far a session is extended: its next use is noted again.
        for (const hash of hashes) notedAtMs.delete(hash);
        log.debug({ error: messageOf(error) }, "use of credentials could not be written");
      }
    },
  };
}
