import pg from "pg";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";

export interface Follower {
  /** After each connection, with the channel already listened to: what happened before must be read now. */
  readonly onConnected: () => Promise<void>;
  readonly onNotification: (payload: string) => void;
}

const firstRetryMs = 100;
const longestRetryMs = 2_000;
// A connection whose other end vanished without a word is noticed by asking.
const heartbeatMs = 15_000;
const connectTimeoutMs = 5_000;

/** Listens on one channel of PostgreSQL until aborted, through every loss of the connection. */
export async function followNotifications(
  { url, channel, log }: { url: string; channel: string; log: Log },
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    try {
      await followOnce({ url, channel }, { ...follower, onConnected: connected }, signal);
    } catch (error) {
      const report = { error: messageOf(error), retryMs };
      // Once for each loss: a database may stay away for days.
      if (retryMs === firstRetryMs) log.warn(report, "notifications lost; what is held stays in force");
      else log.debug(report, "PostgreSQL is still away");
    }
    await pause(retryMs, signal);
    retryMs = Math.min(retryMs * 2, longestRetryMs);
  }

  async function connected(): Promise<void> {
    await follower.onConnected();
    retryMs = firstRetryMs;
  }
}

async function followOnce(
  { url, channel }: { url: string; channel: string },
  { onConnected, onNotification }: Follower,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
    query_timeout: heartbeatMs,
  });
  const lost = new Promise<never>((_, reject) => {
    client.once("error", reject);
    client.once("end", () => reject(new Error("PostgreSQL ended the connection")));
    signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
  });
  lost.catch(() => undefined);
  client.on("notification", ({ payload }) => onNotification(payload ?? ""));
  try {
    await Promise.race([client.connect(), lost]);
    await client.query(`listen ${client.escapeIdentifier(channel)}`);
    await Promise.race([onConnected(), lost]);
    while (!signal.aborted) {
      await Promise.race([pause(heartbeatMs, signal), lost]);
      await Promise.race([client.query("select 1"), lost]);
    }
  } finally {
    // The error listener above is spent; a second error must not end the process.
    client.on("error", () => undefined);
    await Promise.race([client.end(), pause(connectTimeoutMs, signal)]).catch(() => undefined);
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
