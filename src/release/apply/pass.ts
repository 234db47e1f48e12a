import { backoffMs } from "../../core/waiting/backoff.ts";
import type { Clock } from "../../core/clock.ts";
import { asWaybillError, type WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Applied, Deployer, Progress } from "../deployer.ts";
import { isSettled, type DeploymentRow, type ReleaseStore } from "../store.ts";
import type { Afters } from "./afters.ts";
import { afterSwitch, type DeployRuns } from "./deploy-jobs.ts";
import type { Step } from "./drive.ts";
import { missingHeir } from "./heirs.ts";

export interface PassParts {
  readonly store: ReleaseStore;
  readonly deployer: Deployer;
  readonly steps: Feed<Step>;
  readonly clock: Clock;
  readonly log: Log;
  /** Runs the jobs around switches; null where nobody does. */
  readonly deployRuns: DeployRuns | null;
  readonly afters: Afters;
}

/** What a pass over a stack leaves to do. */
type Pass = "settled" | "again" | Retry;

export interface Retry {
  readonly retryAfterMs: number;
  /** Nothing is wrong: it may go on before that time, when its target says so. */
  readonly isWaiting: boolean;
}

const retryDelayMs = (attempt: number): number => backoffMs({ failures: attempt + 1, firstMs: 1_000, maxMs: 60_000 });

interface Attempt {
  readonly stack: StackName;
  /** As it was read a moment ago; null to read it now. */
  readonly row: DeploymentRow | null;
  readonly signal: AbortSignal;
  readonly attempt: number;
  readonly restore: boolean;
  /** Why the new revision may not take over; null when it may. */
  readonly refusal: WaybillError | null;
}

/** One pass over a stack. Never throws: what goes wrong becomes the deployment's state. */
export async function applyOnce(parts: PassParts, options: Attempt): Promise<Pass> {
  const { stack, signal, attempt, restore } = options;
  const { store, log } = parts;
  try {
    const row = options.row ?? (await store.deployment(stack));
    if (!row || signal.aborted) return "settled";
    if (row.workload === null) return await remove(parts, row, signal);
    if (row.blocked !== null) {
      parts.steps.publish({ stack, state: "waiting", message: row.blocked, url: null, at: parts.clock.now() });
    }
    const isUnchanged = isSettled(row) && (!restore || row.desiredDigest !== row.appliedDigest);
    if (row.blocked !== null || isUnchanged) return "settled";
    if (options.refusal) throw options.refusal;
    return await apply(parts, row, options);
  } catch (thrown) {
    if (signal.aborted) return "settled";
    const error = asWaybillError(thrown);
    const told = { stack: stackKey(stack), code: error.code, attempt };
    // A program that does not run, or has no room, is its owner's affair; they are told in full elsewhere.
    const isOwners = error.verdict === "rejected" || error.verdict === "waiting";
    if (isOwners) log.info({ ...told, reason: error.message }, "not applied");
    else log.error({ ...told, err: error }, "apply failed");
    return await fail(parts, { stack, error, attempt }).catch((cause: unknown) => {
      log.error({ stack: stackKey(stack), err: cause }, "a failure could not be recorded");
      return { retryAfterMs: retryDelayMs(attempt), isWaiting: false };
    });
  }
}

async function remove({ store, deployer, steps, clock }: PassParts, row: DeploymentRow, signal: AbortSignal) {
  const { stack } = row;
  const heir = await missingHeir(store, row);
  if (heir) {
    const message = `kept until ${heir.stack.deployment} has taken over its host name`;
    steps.publish({ stack, state: "waiting", message, url: null, at: clock.now() });
    return "settled" as const;
  }
  await deployer.remove(stack, { signal, onProgress: () => undefined });
  signal.throwIfAborted();
  await store.forget(stack);
  steps.publish({ stack, state: "removed", message: "removed", url: null, at: clock.now() });
  return "settled" as const;
}

async function apply(parts: PassParts, row: DeploymentRow, { signal, restore }: Attempt): Promise<Pass> {
  const { store, deployer, steps, clock } = parts;
  const { stack, workload, desiredDigest } = row;
  if (!workload) return "settled";
  // States are written in the order they happen, without holding up the apply.
  let writes: Promise<unknown> = Promise.resolve();
  let current = row.state;
  let recorded = row.reason === "" ? row.state : null;
  const onProgress = ({ state, message }: Progress): void => {
    current = state ?? current;
    steps.publish({ stack, state: current, message, url: null, at: clock.now() });
    if (!state || state === recorded) return;
    recorded = state;
    writes = writes.then(() => store.setState(stack, state, ""));
  };
  let applied: Applied;
  try {
    applied = await deployer.apply(workload, { signal, onProgress, previous: row.appliedWorkload, restore });
  } finally {
    await writes;
  }
  // Before it is written that the revision is live: whatever happens meanwhile, its job is begun.
  const after = await afterSwitch(parts, row, signal);
  const { state } = applied.status;
  const reason = applied.status.reason || after.fault;
  const isCurrent = await store.recordApplied(stack, {
    digest: desiredDigest,
    state,
    reason,
    url: applied.url,
    isApplied: true,
  });
  if (isCurrent) steps.publish({ stack, state, message: reason || state, url: applied.url, at: clock.now() });
  if (after.run) parts.afters.follow(stack, after.run, applied.url);
  return isCurrent ? "settled" : "again";
}

interface Failure {
  readonly stack: StackName;
  readonly error: WaybillError;
  readonly attempt: number;
}

async function fail({ store, steps, clock }: PassParts, { stack, error, attempt }: Failure): Promise<Pass> {
  const row = await store.deployment(stack);
  if (!row) return "settled";
  const isFinal = error.verdict === "rejected" || error.verdict === "bug";
  const retryAfterMs = error.retryAfterMs ?? retryDelayMs(attempt);
  const before = row.appliedDigest === null ? "" : "\nWhat ran before keeps running.";
  const state = error.verdict === "waiting" ? ("waiting" as const) : ("failed" as const);
  const reason = `${error.message}${before}`;
  if (isFinal) {
    const outcome = { digest: row.desiredDigest, state, reason, url: row.url, isApplied: false };
    if (!(await store.recordApplied(stack, outcome))) return "again";
  } else {
    await store.setState(stack, state, reason);
  }
  steps.publish({ stack, state, message: reason, url: null, at: clock.now() });
  return isFinal ? "settled" : { retryAfterMs, isWaiting: error.verdict === "waiting" };
}
