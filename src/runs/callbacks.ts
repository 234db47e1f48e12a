import { createHmac } from "node:crypto";
import { backoffMs } from "../core/waiting/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf, WaybillError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { withoutCredentials, type Secret } from "../core/secret.ts";
import type { StackName } from "../core/stack.ts";
import type { Run } from "./run.ts";
import { isEnded } from "./state.ts";
import type { RunStore } from "./store.ts";
import { runView } from "./view.ts";

/** Reads secrets as an environment sees them. */
export interface CallbackSecrets {
  versions(scope: { readonly repository: string; readonly environment: string }): Promise<ReadonlyMap<string, number>>;
  reveal(scope: { repository: string; environment: string }, name: string, version: number): Promise<Secret>;
}

interface CallbackParts {
  readonly store: Pick<RunStore, "settleCallback" | "unsettledCallbacks">;
  readonly secrets: CallbackSecrets;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** The secret of a repository that its callbacks are signed with. */
export const callbackKey = "callback-key";
const maxAttempts = 6;
const timeoutMs = 10_000;

/** Throws REQUEST_INVALID for an address that nothing could be sent to, or that tells a password to who reads the run. */
export function requireCallbackUrl(url: string): void {
  const wanted = "wanted is https://host/path, without user and password: its receiver knows us by the signature";
  const { protocol, username, password } = URL.canParse(url) ? new URL(url) : { protocol: "" };
  const isHttp = protocol === "http:" || protocol === "https:";
  if (isHttp && !username && !password) return;
  const found = isHttp ? "names a user or a password" : "is no address of http or https";
  throw new WaybillError("REQUEST_INVALID", `the callback ${found}; ${wanted}`);
}

/** Tells the addresses that asked for it how a run ended: each at least once, or given up with a reason. */
export function makeCallbacks(parts: CallbackParts) {
  const { store, clock, log, signal } = parts;

  async function deliver(run: Run): Promise<void> {
    if (!isEnded(run.status.state) || !run.callback || run.callback.settled !== null) return;
    const { url } = run.callback;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const fault = await post(parts, run, url).catch(messageOf);
      if (signal.aborted) return;
      if (fault === null) return store.settleCallback(run, { settled: "delivered", reason: "" });
      log.info({ run: run.id, url: withoutCredentials(url), attempt, fault }, "a callback was not taken");
      if (attempt === maxAttempts) return store.settleCallback(run, { settled: "failed", reason: fault });
      const waitMs = backoffMs({ failures: attempt, firstMs: 1_000, maxMs: 60_000 });
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  }

  return {
    deliver,
    /** Those that a server before this one owed. */
    async deliverOwed(): Promise<void> {
      for (const run of await store.unsettledCallbacks()) await deliver(run);
    },
    /** Throws SECRET_MISSING: whoever is told must be able to know that it was us. */
    async requireKey(stack: StackName): Promise<void> {
      if ((await parts.secrets.versions(stack)).has(callbackKey)) return;
      throw new WaybillError(
        "SECRET_MISSING",
        `a callback is signed with the secret ${callbackKey}: waybill secret set ${callbackKey}`,
      );
    },
  };
}

export type Callbacks = ReturnType<typeof makeCallbacks>;

/** Null when it was taken, else why not. */
async function post({ secrets, signal }: CallbackParts, run: Run, url: string): Promise<string | null> {
  const version = (await secrets.versions(run.stack)).get(callbackKey);
  if (version === undefined) return `secret ${callbackKey} does not exist any more`;
  const key = await secrets.reveal(run.stack, callbackKey, version);
  const body = JSON.stringify({ run: runView({ run, waitingFor: null }) });
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "waybill-signature": `sha256=${signatureOf(key, body)}` },
    body,
    // A redirect would carry the run to where nobody asked for it.
    redirect: "manual",
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
  await response.body?.cancel();
  return response.ok ? null : `it answered ${response.status}`;
}

/** HMAC-SHA-256 of the body's bytes, in hex. */
export const signatureOf = (key: Secret, body: string): string =>
  createHmac("sha256", key.reveal()).update(body).digest("hex");
