import { stackKey } from "../../core/stack.ts";
import type { JobWorkload } from "../run.ts";

/** So many runs at once, of all that have this key. */
export interface Limit {
  readonly key: string;
  readonly most: number;
  /** For people: "job train". */
  readonly what: string;
}

// A machine takes more processes than this at once, and gets slower by them: what comes on top waits its turn.
const runsPerTarget = 200;

/** What limits the runs of a job: its own first. */
export function limitsOf({ stack, spec, target }: JobWorkload): readonly Limit[] {
  const { limit, shared } = spec.concurrency;
  const own = limit === null ? [] : [{ key: ownKey({ stack }), most: limit, what: `job ${stack.deployment}` }];
  const named = Object.entries(shared).map(([name, most]) => ({
    key: `shared/${stack.repository}/${stack.environment}/${name}`,
    most,
    what: `limit ${name}`,
  }));
  return [...own, ...named, { key: `target/${target}`, most: runsPerTarget, what: `target ${target}` }];
}

export const ownKey = ({ stack }: Pick<JobWorkload, "stack">): string => `job/${stackKey(stack)}`;
