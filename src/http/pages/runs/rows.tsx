import type { JSX } from "hono/jsx/jsx-runtime";
import type { RunState } from "../../../runs/state.ts";
import type { RunView } from "../../../runs/view.ts";
import { Moment } from "../moment.tsx";
import { Badge, type Tone } from "../state.tsx";
import { durationText } from "./figures.ts";

const toneOf = {
  Scheduled: "rest",
  Late: "warn",
  AwaitingConcurrencySlot: "busy",
  Pending: "busy",
  Running: "busy",
  Retrying: "warn",
  Cancelling: "busy",
  Cancelled: "rest",
  Completed: "good",
  Failed: "bad",
  TimedOut: "bad",
  Crashed: "bad",
} as const satisfies Record<RunState, Tone>;

export const runTone = (state: RunState): Tone => toneOf[state];

export const runPath = (id: string): string => `/runs/${id}`;

export const jobPath = ({ repository, environment, job }: RunView): string =>
  `/deployments/${repository}/${environment}/${job}`;

/** What people call it: the name that it was given, or its id. */
export const runTitle = ({ id, name }: RunView): string => (name === "" ? id : name);

interface RowsProps {
  readonly runs: readonly RunView[];
  readonly now: Date;
  /** Leaves out the job where the page is that job's. */
  readonly isOfOneJob?: boolean;
}

export function RunRows({ runs, now, isOfOneJob = false }: RowsProps): JSX.Element {
  return (
    <ol class="runs">
      {runs.map((run) => (
        <li class={runTone(run.state)} data-state-of={`run ${runTitle(run)} of ${run.job}`} data-state={run.state}>
          <p class="entry">
            <Badge tone={runTone(run.state)} text={run.state} />
            <a id={`run-${run.id}`} class="subject" href={runPath(run.id)}>
              {runTitle(run)}
            </a>
            {!isOfOneJob && (
              <span>
                {run.job} <span class="of">{`${run.environment}, ${run.repository}`}</span>
              </span>
            )}
          </p>
          <p class="meta">
            <Moment at={run.since} now={now} />
            {run.durationMs !== null && `, took ${durationText(run.durationMs)}`}, {originText(run)}
            {run.attempt > 1 && `, attempt ${run.attempt}`}
          </p>
          <Why run={run} />
        </li>
      ))}
    </ol>
  );
}

/** `by the schedule nightly` */
export function originText({ trigger: { kind, name } }: RunView): string {
  switch (kind) {
    case "person":
      return `by ${name === "" ? "nobody" : name}`;
    case "schedule":
      return `by the schedule ${name}`;
    case "after":
      return `after ${name}`;
    case "event":
      return `by the event ${name}`;
    case "before-deploy":
      return `before the deploy of ${name}`;
    case "after-deploy":
      return `after the deploy of ${name}`;
    default:
      return kind satisfies never;
  }
}

/** Why it is as it is, and what it waits for. */
export function Why({ run: { reason, waitingFor } }: { run: RunView }): JSX.Element {
  return (
    <>
      {reason !== "" && <p class="reason">{reason}</p>}
      {waitingFor !== null && <p class="why">Waits for {waitingFor}</p>}
    </>
  );
}
