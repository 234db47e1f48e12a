import type { Clock } from "../../../core/clock.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { PodShape } from "../capacity/capacity.ts";
import { amountText } from "../capacity/shortage.ts";

/** Who waits for room, in the order in which they came. */
export interface Line {
  /** Those who stood in it before this server started; who does not come back within `forMs` has left. */
  restore(standing: readonly Standing[], forMs: number): void;
  /** Keeps the place of whoever stands in it already. Who does not come back within `forMs` has left. */
  join(stack: StackName, wish: Wish): void;
  leave(stack: StackName): void;
  /** Why the stack may not take the room that there is: somebody came before it who lacks the same. Null: it may. */
  blockedBy(stack: StackName, gain: Gain): string | null;
  /** The others who stand in it. */
  others(stack: StackName): ReadonlySet<string>;
  /** Something has changed: those that may go on now are told. */
  look(): void;
  /** Resolves when the stack is told, or when the signal aborts. */
  changed(stack: StackName, signal: AbortSignal): Promise<void>;
}

export interface Wish {
  readonly shapes: readonly PodShape[];
  readonly forMs: number;
  /** Whether trying again would answer otherwise now. */
  readonly isOver: () => boolean;
}

/** A place in line, as it outlives the server. */
export interface Standing {
  readonly stack: StackName;
  readonly since: Date;
  readonly shapes: readonly PodShape[];
}

/** Told of who comes and goes. Must not throw. */
export interface LineHearing {
  joined(standing: Standing): void;
  left(stack: StackName): void;
}

/** What a rollout takes and what it gives back. */
export interface Gain {
  readonly takes: readonly PodShape[];
  readonly frees: readonly PodShape[];
}

interface Waiter extends Wish, Standing {
  readonly untilMs: number;
}

export function makeLine(clock: Pick<Clock, "now">, hearing?: LineHearing): Line {
  const waiters = new Map<string, Waiter>();
  const listeners = new Map<string, Set<() => void>>();

  function present(): readonly Waiter[] {
    const nowMs = clock.now().getTime();
    for (const { stack, untilMs } of waiters.values()) if (untilMs < nowMs) remove(stack);
    return [...waiters.values()];
  }
  function remove(stack: StackName): boolean {
    const isIn = waiters.delete(stackKey(stack));
    if (isIn) hearing?.left(stack);
    return isIn;
  }
  function look(): void {
    for (const { stack, isOver } of present()) {
      const told = listeners.get(stackKey(stack));
      if (told && isOver()) for (const tell of told) tell();
    }
  }
  return {
    restore(standing, forMs) {
      const untilMs = clock.now().getTime() + forMs;
      // Until it comes by itself, nobody is there to be told.
      for (const each of standing) waiters.set(stackKey(each.stack), { ...each, forMs, untilMs, isOver: () => false });
    },
    join(stack, wish) {
      const now = clock.now();
      const since = present().find((waiter) => stackKey(waiter.stack) === stackKey(stack))?.since ?? now;
      // A Map keeps the place of a key that it has.
      waiters.set(stackKey(stack), { ...wish, stack, since, untilMs: now.getTime() + wish.forMs });
      hearing?.joined({ stack, since, shapes: wish.shapes });
    },
    leave(stack) {
      if (remove(stack)) look();
    },
    blockedBy(stack, gain) {
      const key = stackKey(stack);
      const line = present();
      const place = line.findIndex((waiter) => stackKey(waiter.stack) === key);
      const before = place === -1 ? line : line.slice(0, place);
      const first = before.find(({ shapes }) => lacksTheSame(shapes, gain));
      return first
        ? `behind ${stackKey(first.stack)}, which waits since ${timeOf(first.since)} for ${wantsOf(first)}`
        : null;
    },
    others: (stack) =>
      new Set(
        present()
          .map((waiter) => stackKey(waiter.stack))
          .filter((key) => key !== stackKey(stack)),
      ),
    look,
    changed: (stack, signal) =>
      untilTold(listeners, stackKey(stack), {
        // What changed between being told to wait and listening for the end of it.
        isOver: () => waiters.get(stackKey(stack))?.isOver() ?? false,
        signal,
      }),
  };
}

interface Waiting {
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
}

function untilTold(listeners: Map<string, Set<() => void>>, key: string, { isOver, signal }: Waiting): Promise<void> {
  const told = listeners.get(key) ?? new Set<() => void>();
  listeners.set(key, told);
  return new Promise((resolve) => {
    const tell = (): void => {
      told.delete(tell);
      if (told.size === 0) listeners.delete(key);
      signal.removeEventListener("abort", tell);
      resolve();
    };
    told.add(tell);
    signal.addEventListener("abort", tell);
    if (signal.aborted || isOver()) tell();
  });
}

/**
 * Only for devices: they are few, and taken by whoever is small and comes often. In a line for CPU and memory everybody
 * would stand behind one large deployment.
 */
function lacksTheSame(waiting: readonly PodShape[], { takes, frees }: Gain): boolean {
  return waiting.some((shape) =>
    devicesOf(shape).some((device) => {
      const meant = takes.filter((other) => canMeet(shape, other));
      return total(meant, device) > total(frees, device);
    }),
  );
}

const devicesOf = ({ requests }: PodShape): readonly string[] =>
  Object.keys(requests).filter((resource) => resource.includes("/") && (requests[resource] ?? 0) > 0);

const total = (shapes: readonly PodShape[], resource: string): number =>
  shapes.reduce((sum, { requests }) => sum + (requests[resource] ?? 0), 0);

/** Whether a node may be meant for both: GPUs of two types are two things, whatever the resource is called. */
function canMeet(a: PodShape, b: PodShape): boolean {
  return a.nodeRequirements.every(({ key, values }) => {
    const other = b.nodeRequirements.find((requirement) => requirement.key === key);
    return other === undefined || other.values.some((value) => values.includes(value));
  });
}

function wantsOf({ shapes }: Waiter): string {
  const [shape] = shapes;
  const [device] = shape ? devicesOf(shape) : [];
  return shape && device !== undefined ? amountText(shape, device, total(shapes, device)) : "room";
}

const timeOf = (time: Date): string => `${time.toISOString().slice(11, 16)} UTC`;
