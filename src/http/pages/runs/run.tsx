import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../../core/identity.ts";
import { isEnded, mayStep } from "../../../runs/state.ts";
import type { FollowerView, RunView } from "../../../runs/view.ts";
import type { LogLine } from "../../../targets/workload.ts";
import { Layout } from "../layout.tsx";
import { LogSection } from "../log.tsx";
import { Moment } from "../moment.tsx";
import { Badge } from "../state.tsx";
import { Facts } from "./facts.tsx";
import { runsPath } from "./filter.ts";
import { Outcome, Parameters } from "./outcome.tsx";
import { jobPath, runPath, runTitle, runTone, Why } from "./rows.tsx";

export interface RunPageProps {
  readonly visitor: Identity;
  readonly run: RunView;
  /** What its end has started. */
  readonly followers: readonly FollowerView[];
  readonly log: readonly LogLine[];
  readonly now: Date;
}

export function RunPage({ visitor, run, followers, log, now }: RunPageProps): JSX.Element {
  const { repository, environment, job } = run;
  return (
    <Layout title={`Run ${runTitle(run)} of ${job}`} visitor={visitor} isLive>
      <nav class="trail" aria-label="Where you are">
        <a href={runsPath({ repository, environment, job, state: "" })}>Runs of {job}</a>
        <a href={jobPath(run)}>
          {job} in {environment}
        </a>
      </nav>
      <div id="summary" data-live data-shows-runs>
        <Summary run={run} followers={followers} now={now} />
        <Acts run={run} />
      </div>
      <section id="parameters" data-live aria-labelledby="parameters-title">
        <h2 id="parameters-title">Parameters</h2>
        <Parameters values={run.parameters} />
      </section>
      <div id="outcome" data-live>
        <Outcome run={run} />
      </div>
      <LogSection source={`/api/v1${runPath(run.id)}/logs`} isFollowed={!isEnded(run.state)} lines={log} />
      <section id="history" data-live aria-labelledby="history-title">
        <h2 id="history-title">History</h2>
        <History run={run} now={now} />
      </section>
    </Layout>
  );
}

function Summary({ run, followers, now }: Omit<RunPageProps, "visitor" | "log">): JSX.Element {
  const { id, name, job, state } = run;
  const tone = runTone(state);
  return (
    <div class={`summary ${tone}`} data-state-of={`run ${runTitle(run)} of ${job}`} data-state={state}>
      <div class="headline">
        <h1>{runTitle(run)}</h1>
        <Badge tone={tone} text={state} />
        {name !== "" && <span class="kind">{id}</span>}
      </div>
      <Why run={run} />
      {run.chainNote !== "" && <p class="why">{run.chainNote}</p>}
      <dl class="cells">
        <Facts run={run} followers={followers} now={now} />
      </dl>
    </div>
  );
}

function Acts({ run }: { run: RunView }): JSX.Element {
  const { id, state } = run;
  const path = runPath(id);
  const mayCancel = mayStep(state, "Cancelled") || mayStep(state, "Cancelling");
  return (
    <div class="acts">
      {mayCancel && state !== "Cancelling" && (
        <form method="post" action={`${path}/cancel`}>
          <button id="cancel" type="submit">
            Cancel
          </button>
        </form>
      )}
      {mayStep(state, "Scheduled") && (
        <form method="post" action={`${path}/retry`}>
          <button id="retry" type="submit">
            Retry
          </button>
        </form>
      )}
      <form class="buttons" method="post" action={`${path}/rerun`}>
        <button id="rerun-same" class="quiet" type="submit" name="revision" value="same">
          Rerun the same revision
        </button>
        <button id="rerun-newest" class="quiet" type="submit" name="revision" value="newest">
          Rerun the newest revision
        </button>
      </form>
      <a id="rerun-changed" href={`${jobPath(run)}/run?from=${id}`}>
        Run with other parameters
      </a>
    </div>
  );
}

function History({ run: { history }, now }: { run: RunView; now: Date }): JSX.Element {
  return (
    <ol class="runs">
      {[...history].reverse().map(({ state, since, reason }) => (
        <li class={runTone(state)}>
          <p class="entry">
            <Badge tone={runTone(state)} text={state} />
            <span class="meta">
              <Moment at={since} now={now} /> <code>{`${since.slice(11, 23)} UTC`}</code>
            </span>
          </p>
          {reason !== "" && <p class="why">{reason}</p>}
        </li>
      ))}
    </ol>
  );
}
