import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { IdleRule, KnownRoute } from "../../targets/route.ts";
import type { Mirror, StateSource } from "../mirror.ts";
import { didNotWake, notWokenYet, tooManyWait } from "../notice/answers.ts";
import type { Notice } from "../notice/notice.ts";
import type { PodChoice } from "../upstream/pods.ts";

/** Where requests wait for a deployment that sleeps. Nothing of their bodies is read meanwhile. */
export interface Parking {
  /**
   * Has the deployment woken, if it sleeps, and waits for it. Null: judge the request again; else the answer to give. Aborted by a
   * client that went away: resolves at once, and nothing of the request is left.
   */
  wait(route: KnownRoute, signal: AbortSignal): Promise<Notice | null>;
  /** Whether a request is to wait here. */
  holds(route: KnownRoute): boolean;
  count(): number;
  /** Nobody waits any longer, now or later: whoever does is told to come back. */
  close(): void;
}

interface Parts {
  readonly mirror: Pick<Mirror, "route" | "onChange">;
  readonly pods: Pick<PodChoice, "isThere" | "onChange">;
  readonly source: () => Pick<StateSource, "askWake">;
  readonly clock: Clock;
  readonly log: Log;
}

interface Ticket {
  readonly host: string;
  readonly sinceMs: number;
  /** How many starts had failed when it came. */
  readonly failures: number;
  readonly settle: (answer: Notice | null) => void;
}

interface Entry extends Pick<Ticket, "settle"> {
  readonly route: KnownRoute;
  readonly signal: AbortSignal;
}

/** All who wait for one deployment, in the order in which they came. */
interface Lot {
  readonly stack: StackName;
  readonly tickets: Set<Ticket>;
  askedAtMs: number;
}

const maxParked = 10_000;
const maxParkedForOne = 2_000;
const checkMs = 250;
// For a server that restarts, or a note to it that was lost.
const askAgainMs = 2_000;
// A server that is away takes no call to wake anybody.
const takenWithinMs = 20_000;
const answerMarginMs = 15_000;
// What has just started has a short queue of connections: five in Python's own server, 511 in Node's.
const releasedAtOnce = 25;
const releaseMs = 2;
const defaultIdle: IdleRule = { afterSeconds: 0, startTimeoutSeconds: 0 };

export function makeParking(parts: Parts): Parking {
  const { mirror, pods, clock } = parts;
  const lots = new Map<string, Lot>();
  let isClosed = false;
  let parked = 0;
  const stops = [mirror.onChange(look), pods.onChange(look)];
  const timer = setInterval(look, checkMs).unref();

  function look(): void {
    const nowMs = clock.now().getTime();
    for (const [key, lot] of lots) {
      const awake = settleBy(lot, (ticket) => outcomeOf(mirror.route(ticket.host), ticket, { pods, nowMs }));
      void release(awake, clock);
      if (lot.tickets.size === 0) lots.delete(key);
      else if (nowMs - lot.askedAtMs >= askAgainMs && isToBeAsked(lot, mirror)) ask(parts, lot);
    }
  }

  function lotOf(stack: StackName): Lot {
    const key = stackKey(stack);
    const lot = lots.get(key) ?? { stack, tickets: new Set(), askedAtMs: 0 };
    lots.set(key, lot);
    return lot;
  }

  function enter(lot: Lot, { route, settle, signal }: Entry): void {
    const failures = route.sleep?.failure?.count ?? 0;
    const ticket: Ticket = { host: route.host, sinceMs: clock.now().getTime(), failures, settle };
    lot.tickets.add(ticket);
    signal.addEventListener("abort", () => {
      lot.tickets.delete(ticket);
      settle(null);
    });
    if (lot.tickets.size === 1 && route.sleep) ask(parts, lot);
  }

  return {
    count: () => parked,
    holds: (route) => isAsleep(route, pods) || isParked(route, { pods, nowMs: clock.now().getTime() }),
    async wait(route, signal) {
      const failed = failureNow(route, clock.now().getTime());
      if (failed) return failed;
      const lot = lotOf(route.stack);
      if (isClosed || parked >= maxParked || lot.tickets.size >= maxParkedForOne)
        return isClosed ? notWokenYet : tooManyWait;
      parked += 1;
      try {
        return await new Promise<Notice | null>((settle) => enter(lot, { route, settle, signal }));
      } finally {
        parked -= 1;
      }
    },
    close() {
      isClosed = true;
      clearInterval(timer);
      for (const stop of stops) stop();
      for (const lot of lots.values()) for (const { settle } of lot.tickets) settle(notWokenYet);
      lots.clear();
    },
  };
}

/** It sleeps, and nobody has begun to wake it. */
function isToBeAsked({ tickets }: Lot, mirror: Pick<Mirror, "route">): boolean {
  const stages = [...tickets].map(({ host }) => mirror.route(host)?.sleep?.stage);
  return !stages.includes("waking") && stages.some((stage) => stage !== undefined);
}

/** Failed a moment ago: no other start is made yet. */
function failureNow({ sleep }: KnownRoute, nowMs: number): Notice | null {
  const { failure } = sleep ?? {};
  return failure && nowMs < Date.parse(failure.retryAt) ? didNotWake(failure, nowMs) : null;
}

/** Pods that are ready while it is being woken have answered: whoever waits need not wait for that to be written down. */
function isAsleep({ sleep, upstream }: KnownRoute, pods: Pick<PodChoice, "isThere">): boolean {
  if (!sleep) return false;
  return sleep.stage !== "waking" || upstream.kind !== "pods" || !pods.isThere(upstream);
}

/** One revision stops for another: until either answers, or until that takes too long. */
function isParked({ parked, upstream }: KnownRoute, { pods, nowMs }: Moment): boolean {
  if (parked === undefined || upstream.kind !== "pods" || pods.isThere(upstream)) return false;
  return nowMs < Date.parse(parked.since) + parked.forSeconds * 1_000 + answerMarginMs;
}

interface Moment {
  readonly pods: Pick<PodChoice, "isThere">;
  readonly nowMs: number;
}

type Outcome = "awake" | "waits" | Notice;

function outcomeOf(route: KnownRoute | null, { sinceMs, failures }: Ticket, { pods, nowMs }: Moment): Outcome {
  if (!route?.sleep || !isAsleep(route, pods)) return route && isParked(route, { pods, nowMs }) ? "waits" : "awake";
  const { stage, failure } = route.sleep;
  if (failure && failure.count > failures) return didNotWake(failure, nowMs);
  const { startTimeoutSeconds } = route.idle ?? defaultIdle;
  const waitsMs = stage === "waking" ? startTimeoutSeconds * 1_000 + answerMarginMs : takenWithinMs;
  return nowMs - sinceMs > waitsMs ? notWokenYet : "waits";
}

/** Answers those whose waiting is over with nothing to send to; hands back those who may go on. */
function settleBy({ tickets }: Lot, outcome: (ticket: Ticket) => Outcome): readonly Ticket[] {
  const awake: Ticket[] = [];
  for (const ticket of tickets) {
    const become = outcome(ticket);
    if (become === "waits") continue;
    tickets.delete(ticket);
    if (become === "awake") awake.push(ticket);
    else ticket.settle(become);
  }
  return awake;
}

async function release(tickets: readonly Ticket[], clock: Clock): Promise<void> {
  for (const [index, { settle }] of tickets.entries()) {
    if (index > 0 && index % releasedAtOnce === 0) await clock.sleep(releaseMs);
    settle(null);
  }
}

function ask({ source, clock, log }: Parts, lot: Lot): void {
  lot.askedAtMs = clock.now().getTime();
  source()
    .askWake(lot.stack)
    .catch((error: unknown) => log.debug({ error: messageOf(error) }, "nobody could be asked to wake a deployment"));
}
