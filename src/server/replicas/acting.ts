import type { Access } from "../../access/access.ts";
import { systemClock } from "../../core/clock.ts";
import { asWaybillError, type WaybillError } from "../../core/errors.ts";
import { makeLease, type Lease } from "../../core/lease.ts";
import type { Log } from "../../core/log.ts";
import type { Secret } from "../../core/secret.ts";
import type { Endpoint } from "../../gateway/mirror.ts";
import type { Base } from "../base.ts";
import type { Closers } from "../closers.ts";
import type { Replica } from "./replica.ts";
import { untilOurTurn } from "./turn.ts";

interface Parts {
  readonly replica: Replica | null;
  readonly base: Pick<Base, "leases" | "gateway">;
  readonly log: Log;
  readonly closers: Closers;
  /** Opens the rooms that act. */
  readonly start: (lease: Lease) => Promise<{ access: Access; endpoint: Endpoint }>;
}

interface Turn {
  readonly firstSignIn: Secret | null;
  /** Resolves with the reason when this server cannot go on. */
  readonly failed: Promise<WaybillError>;
  readonly access: Promise<Access>;
}

/** The only server has its turn already; one of several is ready before, for its gateway sends requests to who acts. */
export async function takeTurn(parts: Parts): Promise<Turn> {
  const { replica, base, log, closers } = parts;
  if (replica === null || (await base.leases.take()).isOurs) {
    const { access, lease } = await act(parts);
    return { firstSignIn: await access.firstAdministratorLink(), access: Promise.resolve(access), failed: lease.lost };
  }
  log.info({ replica: replica.name }, "another server acts; this one waits for its turn");
  const stopping = new AbortController();
  const { signal } = stopping;
  const acting = untilOurTurn({ book: base.leases, clock: systemClock, log, signal }).then(() => act(parts));
  const failed = acting.then(
    ({ lease }) => lease.lost,
    (error: unknown) => (signal.aborted ? new Promise<never>(() => undefined) : asWaybillError(error)),
  );
  closers.add(async () => {
    stopping.abort(new Error("the server is stopping"));
    await acting.catch(() => undefined);
  });
  const access = acting.then((acted) => acted.access);
  access.catch(() => undefined);
  return { firstSignIn: null, access, failed };
}

/** From here on this server acts, until it stops or another takes over. */
async function act({ base, log, closers, start }: Parts): Promise<{ access: Access; lease: Lease }> {
  const ended = new AbortController();
  const lease = makeLease({ book: base.leases, clock: systemClock, log });
  const keeping = lease.keep(ended.signal);
  closers.add(async () => {
    ended.abort();
    await keeping;
    await base.leases.release();
  });
  const { access, endpoint } = await start(lease);
  // Nobody reaches a server that its gateway has not heard of: that fails the start, and is no `ready`.
  await base.gateway.leads(endpoint);
  log.info({}, "this server acts");
  return { access, lease };
}
