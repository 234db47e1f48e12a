/** How a run stands, in Prefect's terms. */
export type RunState = keyof typeof steps;

/**
 * Every legal step. What is not here is refused, whoever asks for it.
 * - `Scheduled`: its time has not come. `Late`: its time has passed and it was not looked at.
 * - `AwaitingConcurrencySlot`: it may start as soon as a slot is free. `Retrying`: it failed, and waits for its next attempt.
 * - `Pending`: it holds its slots and is being started. `Running`: its program runs.
 * - `Cancelling`: its program is being ended, and holds its slots until it has.
 * - `Crashed`: its program was ended from outside, or nobody knows how it ended.
 * A person's retry takes an ended run back to `Scheduled`; one that completed is done.
 */
const steps = {
  Scheduled: ["Late", "AwaitingConcurrencySlot", "Pending", "Cancelled"],
  Late: ["AwaitingConcurrencySlot", "Pending", "Cancelled"],
  AwaitingConcurrencySlot: ["Pending", "Cancelled"],
  Pending: ["Running", "Cancelling", "Cancelled", "Retrying", "Failed", "Crashed"],
  Running: ["Completed", "Failed", "TimedOut", "Crashed", "Retrying", "Cancelling"],
  Retrying: ["Late", "AwaitingConcurrencySlot", "Pending", "Cancelled"],
  Cancelling: ["Cancelled"],
  Cancelled: ["Scheduled"],
  Completed: [],
  Failed: ["Scheduled"],
  TimedOut: ["Scheduled"],
  Crashed: ["Scheduled"],
} as const satisfies Record<string, readonly string[]>;

export const runStates = Object.keys(steps) as readonly RunState[];

const waiting = ["Scheduled", "Late", "AwaitingConcurrencySlot", "Retrying"] as const satisfies readonly RunState[];
const live = ["Pending", "Running", "Cancelling"] as const satisfies readonly RunState[];
const ended = ["Cancelled", "Completed", "Failed", "TimedOut", "Crashed"] as const satisfies readonly RunState[];

/** Nothing of it runs, and something will. */
export const waitingStates: readonly RunState[] = waiting;
/** Something of it may run: these, and no others, hold slots. */
export const liveStates: readonly RunState[] = live;
/** Nothing happens to it by itself any more. */
export const endedStates: readonly RunState[] = ended;

export const isWaiting = (state: RunState): boolean => waitingStates.includes(state);
export const isLive = (state: RunState): boolean => liveStates.includes(state);
export const isEnded = (state: RunState): boolean => endedStates.includes(state);

/** The states that a run may come to from this one. */
export const nextStates = (from: RunState): readonly RunState[] => steps[from];

export const mayStep = (from: RunState, to: RunState): boolean => nextStates(from).includes(to);
