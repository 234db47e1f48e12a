import type { JSX } from "hono/jsx/jsx-runtime";
import type { DeploymentView, PauseView } from "../../../release/views.ts";
import type { ChainView, RunView, ScheduleView, UpcomingView } from "../../../runs/view.ts";
import { deploymentPath } from "../card.tsx";
import { Coming, Moment } from "../moment.tsx";
import { Chain, isChained } from "./chain.tsx";
import { RunRows } from "./rows.tsx";

export interface ScheduleRule extends ScheduleView {
  /** Its rule: `0 2 * * *, Europe/Berlin`. */
  readonly when: string;
}

export interface JobProps {
  readonly deployment: DeploymentView;
  readonly job: {
    readonly schedules: readonly ScheduleRule[];
    /** The first of them. */
    readonly upcoming: readonly UpcomingView[];
    readonly chain: ChainView;
    /** The newest of them. */
    readonly runs: readonly RunView[];
  };
  readonly now: Date;
}

/** What the page of a job has besides: its runs, what starts them, and what comes. */
export function JobSections(props: JobProps): JSX.Element {
  return (
    <>
      <section id="runs" data-live data-shows-runs aria-labelledby="runs-title">
        <h2 id="runs-title">Runs</h2>
        <NewestRuns {...props} />
      </section>
      <section id="schedules" data-live aria-labelledby="schedules-title">
        <h2 id="schedules-title">Schedules</h2>
        <Schedules {...props} />
      </section>
      {isChained(props.job.chain) && (
        <section id="chain" data-live aria-labelledby="chain-title">
          <h2 id="chain-title">Chain</h2>
          <Chain chain={props.job.chain} pathOf={(name) => deploymentPath({ ...props.deployment, name })} />
        </section>
      )}
    </>
  );
}

function NewestRuns({ deployment, job: { runs }, now }: JobProps): JSX.Element {
  const { repository, environment, name } = deployment;
  const all = new URLSearchParams({ repository, environment, job: name });
  return (
    <>
      <p class="buttons">
        <a id="run" class="button" href={`${deploymentPath(deployment)}/run`}>
          Run it<span class="unseen">: {name}</span>
        </a>
      </p>
      {runs.length === 0 ? <p class="nothing">It has not run yet.</p> : <RunRows runs={runs} now={now} isOfOneJob />}
      {runs.length > 0 && (
        <p class="hint">
          <a id="all-runs" href={`/runs?${all.toString()}`}>
            All its runs
          </a>
        </p>
      )}
    </>
  );
}

function Schedules({ deployment, job: { schedules, upcoming }, now }: JobProps): JSX.Element {
  if (schedules.length === 0) return <p class="nothing">Its file has no schedules.</p>;
  return (
    <>
      <ul class="rows">
        {schedules.map((schedule) => (
          <ScheduleRow schedule={schedule} deployment={deployment} now={now} />
        ))}
      </ul>
      {upcoming.length > 0 && (
        <>
          <h3 id="upcoming-title">Upcoming</h3>
          <ol class="upcoming" aria-labelledby="upcoming-title">
            {upcoming.map(({ schedule, at, firedBy }) => (
              <li>
                <Coming at={at} now={now} /> {schedule}
                {firedBy === "cluster" && " (by its cluster)"}
              </li>
            ))}
          </ol>
        </>
      )}
    </>
  );
}

interface RowProps {
  readonly schedule: ScheduleRule;
  readonly deployment: DeploymentView;
  readonly now: Date;
}

function ScheduleRow({ schedule: { name, when, active, pause, next }, deployment, now }: RowProps): JSX.Element {
  // The pause of the whole job is lifted by the job's own switch.
  const isOwnPause = pause !== null && !isSame(pause, deployment.pause);
  const path = `${deploymentPath(deployment)}/schedules/${name}`;
  return (
    <li>
      <div>
        <strong>{name}</strong> <code>{when}</code>{" "}
        <span class="hint">
          {!active && "off by its file"}
          {active && pause === null && next !== null && (
            <>
              next <Coming at={next} now={now} />
            </>
          )}
          {active && pause === null && next === null && "starts nothing any more"}
        </span>
        {pause !== null && <PauseLine pause={pause} isOwn={isOwnPause} now={now} />}
      </div>
      {isOwnPause && (
        <form method="post" action={`${path}/resume`}>
          <button id={`resume-${name}`} class="quiet" type="submit">
            Resume<span class="unseen"> the schedule {name}</span>
          </button>
        </form>
      )}
      {pause === null && active && <PauseForm name={name} action={`${path}/pause`} />}
    </li>
  );
}

const isSame = (a: PauseView, b: PauseView | null): boolean => b !== null && a.by === b.by && a.at === b.at;

function PauseLine({ pause, isOwn, now }: { pause: PauseView; isOwn: boolean; now: Date }): JSX.Element {
  return (
    <p class="why">
      Paused{isOwn ? "" : " with the whole job"} by {pause.by}, <Moment at={pause.at} now={now} />
      {pause.reason !== "" && `: ${pause.reason}`}
    </p>
  );
}

/** Opening it asks why, the button inside pauses. */
function PauseForm({ name, action }: { name: string; action: string }): JSX.Element {
  return (
    <details class="ask">
      <summary>
        Pause<span class="unseen"> the schedule {name}</span>
      </summary>
      <form method="post" action={action}>
        <p>It starts no runs until somebody resumes it, whatever is deployed meanwhile.</p>
        <label>
          Why
          <input name="reason" maxlength={1000} autocomplete="off" />
        </label>
        <button type="submit">Pause {name}</button>
      </form>
    </details>
  );
}
