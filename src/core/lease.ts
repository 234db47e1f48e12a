import type { Clock } from "./clock.ts";
import { messageOf, WaybillError } from "./errors.ts";
import type { Log } from "./log.ts";

/** How long the server that acts may be silent before another may take over. */
export const leaseMs = 10_000;

/** The one record of which server acts. Its times are its own: no two machines' clocks are compared. */
export interface LeaseBook {
  /** Takes the lease where nobody holds it any more; nothing of a former holder can be written afterwards. */
  take(): Promise<Taking>;
  /** Holds it for another `leaseMs`; false: another has taken it. */
  renew(): Promise<boolean>;
  /** Lets another take it at once. */
  release(): Promise<void>;
  close(): Promise<void>;
}

export interface Taking {
  readonly isOurs: boolean;
  /** Where the holder runs. */
  readonly place: string;
}

/** The right to act, as whoever changes the world asks for it. */
export interface Lease {
  /** Resolves while this server may act: at once, or after asking when it was silent for long. Throws LEASE_LOST. */
  confirm(): Promise<void>;
  /** Resolves when another has taken over. */
  readonly lost: Promise<WaybillError>;
}

/** Of a server that none other can take the place of. */
export const onlyServer: Pick<Lease, "confirm"> = { confirm: () => Promise.resolve() };

/** For those who have nobody to tell that it is unknown: waits until it is known. Throws LEASE_LOST, or the signal's reason. */
export async function untilConfirmed(
  lease: Pick<Lease, "confirm">,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  for (;;) {
    try {
      return await lease.confirm();
    } catch (error) {
      if (isLeaseLost(error)) throw error;
      await clock.sleep(retryMs, signal);
    }
  }
}

export const isLeaseLost = (error: unknown): boolean => error instanceof WaybillError && error.code === "LEASE_LOST";

export interface LeaseKeeper extends Lease {
  /** Keeps what was taken until the signal aborts or it is lost. */
  keep(signal: AbortSignal): Promise<void>;
}

interface Parts {
  readonly book: Pick<LeaseBook, "renew">;
  readonly clock: Clock;
  /** Milliseconds that have passed since any fixed moment. */
  readonly elapsedMs?: () => number;
  readonly log: Log;
}

const renewalMs = 3_000;
const retryMs = 500;
// What is sent within the time may arrive after it.
const marginMs = 2_000;

/** Begins with a lease that was taken just now. */
export function makeLease({ book, clock, log, elapsedMs = machineElapsedMs() }: Parts): LeaseKeeper {
  const { promise: lost, resolve: lose } = Promise.withResolvers<WaybillError>();
  let loss: WaybillError | null = null;
  let confirmedAtMs = elapsedMs();
  let asking: Promise<void> | null = null;

  async function ask(): Promise<void> {
    // From before the question: the answer may take its time.
    const askedAtMs = elapsedMs();
    if (await book.renew()) {
      confirmedAtMs = askedAtMs;
      return;
    }
    loss = new WaybillError(
      "LEASE_LOST",
      `another server has taken over, for this one was silent for ${leaseMs / 1_000} s: start it again, and it waits for its turn`,
    );
    lose(loss);
    throw loss;
  }

  const renew = (): Promise<void> =>
    (asking ??= ask().finally(() => {
      asking = null;
    }));

  return {
    lost,
    async confirm() {
      if (loss) throw loss;
      if (elapsedMs() - confirmedAtMs >= leaseMs - marginMs) await renew();
    },
    async keep(signal) {
      let delayMs = renewalMs;
      for (;;) {
        await clock.sleep(delayMs, signal).catch(() => undefined);
        if (signal.aborted || loss) return;
        try {
          await renew();
          delayMs = renewalMs;
        } catch (error) {
          if (delayMs !== retryMs) log.warn({ error: messageOf(error) }, "the lease could not be renewed");
          delayMs = retryMs;
        }
      }
    },
  };
}

/** The monotonic clock may stand still while a machine is suspended, the other one may be set back: the longer counts. */
function machineElapsedMs(): () => number {
  const startMs = performance.now();
  const startedAtMs = Date.now();
  return () => Math.max(performance.now() - startMs, Date.now() - startedAtMs);
}
