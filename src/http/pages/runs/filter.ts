import type { RunFilter } from "../../../runs/store.ts";
import { endedStates, liveStates, runStates, waitingStates, type RunState } from "../../../runs/state.ts";

const failed: readonly RunState[] = ["Failed", "TimedOut", "Crashed"];

/** What people ask for, beside single states. */
const groups: Readonly<Record<string, readonly RunState[]>> = {
  waiting: waitingStates,
  live: liveStates,
  failed,
  ended: endedStates,
};

export const stateChoices: readonly { readonly value: string; readonly text: string }[] = [
  { value: "waiting", text: "Waiting" },
  { value: "live", text: "Going on" },
  { value: "failed", text: "Failed, timed out or crashed" },
  { value: "ended", text: "Ended" },
  ...runStates.map((state) => ({ value: state, text: state })),
];

const fields = ["repository", "environment", "job", "state"] as const;

/** What the page is asked to show; the empty text for everything. */
export type RunsQuery = Readonly<Record<(typeof fields)[number], string>>;

/** What is no state of ours is not asked for. */
export function readRunsQuery(query: URLSearchParams): RunsQuery {
  const [repository, environment, job, state] = fields.map((field) => query.get(field) ?? "");
  const isKnown = stateChoices.some(({ value }) => value === state);
  return {
    repository: repository ?? "",
    environment: environment ?? "",
    job: job ?? "",
    state: isKnown ? (state ?? "") : "",
  };
}

export function runFilter({ repository, environment, job, state }: RunsQuery): RunFilter {
  const states = groups[state] ?? runStates.filter((one) => one === state);
  return {
    ...(repository !== "" && { repository }),
    ...(environment !== "" && { environment }),
    ...(job !== "" && { job }),
    ...(states.length > 0 && { states }),
  };
}

export function runsPath(query: RunsQuery, cursor: string | null = null): string {
  const params = new URLSearchParams();
  for (const field of fields) if (query[field] !== "") params.set(field, query[field]);
  if (cursor !== null) params.set("cursor", cursor);
  return params.size === 0 ? "/runs" : `/runs?${params.toString()}`;
}
