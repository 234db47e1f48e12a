import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import type { DeploymentView, EnvironmentView, SnapshotView } from "../../release/views.ts";
import type { LogLine } from "../../targets/workload.ts";
import { deploymentPath, DriftList, Facts, Reason, Switch } from "./card.tsx";
import { HoldBanner } from "./environment.tsx";
import { History } from "./history.tsx";
import { Layout } from "./layout.tsx";
import { LogSection } from "./log.tsx";
import { JobSections, type JobProps } from "./runs/job.tsx";
import { StateBadge, toneOf } from "./state.tsx";

export interface DeploymentPageProps {
  readonly visitor: Identity;
  readonly deployment: DeploymentView;
  readonly now: Date;
  /** What members see besides; null for viewers. */
  readonly inside: Inside | null;
}

const apiPath = ({ repository, environment, name }: DeploymentView): string =>
  `/api/v1/repositories/${repository}/environments/${environment}/deployments/${name}`;

interface Inside {
  readonly environment: EnvironmentView | null;
  readonly snapshots: readonly SnapshotView[];
  readonly log: readonly LogLine[];
  /** Null for what is no job, or none yet. */
  readonly job: JobProps["job"] | null;
}

export function DeploymentPage({ visitor, deployment, now, inside }: DeploymentPageProps): JSX.Element {
  const { name, environment, repository } = deployment;
  const here = deploymentPath(deployment);
  return (
    <Layout title={`${name} in ${environment}`} visitor={visitor} isLive>
      <nav class="trail" aria-label="Where you are">
        <a href="/">Deployments</a>
        {inside ? <a href={`/environments/${repository}/${environment}`}>{environment}</a> : <span>{environment}</span>}
      </nav>
      <div id="summary" data-live>
        <Summary deployment={deployment} now={now} />
        {inside?.environment && <HoldBanner environment={inside.environment} mayAct here={here} now={now} />}
        {inside && <DeployJobs jobs={deployment.deployJobs} />}
        {inside && <Acts deployment={deployment} here={here} />}
      </div>
      {inside && (
        <>
          {inside.job && <JobSections deployment={deployment} job={inside.job} now={now} />}
          <LogSection source={`${apiPath(deployment)}/logs`} isFollowed lines={inside.log} />
          <section id="history" data-live aria-labelledby="history-title">
            <h2 id="history-title">History</h2>
            <History snapshots={inside.snapshots} now={now} rollback={{ action: `${here}/rollback`, only: name }} />
          </section>
        </>
      )}
    </Layout>
  );
}

function Summary({ deployment, now }: { deployment: DeploymentView; now: Date }): JSX.Element {
  const { name, environment, kind, state, description, url, tags } = deployment;
  return (
    <div class={`summary ${toneOf[state]}`} data-state-of={`${name} in ${environment}`} data-state={state}>
      <div class="headline">
        <h1>{name}</h1>
        <StateBadge state={state} />
        <span class="kind">{kind}</span>
      </div>
      {description !== "" && <p class="lead">{description}</p>}
      <Reason deployment={deployment} />
      <DriftList drift={deployment.drift} now={now} />
      {url && (
        <a id="address" class="address" href={url}>
          {url.replace(/^https?:\/\//, "")}
        </a>
      )}
      <dl class="cells">
        <Facts deployment={deployment} now={now} />
        {Object.entries(tags).map(([key, value]) => (
          <div>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** What ran around its last switch. */
function DeployJobs({ jobs }: { jobs: DeploymentView["deployJobs"] }): JSX.Element {
  if (jobs.length === 0) return <></>;
  return (
    <ul class="deploy-jobs" aria-label="Jobs around its deploy">
      {jobs.map(({ phase, job, run, snapshot, state, reason }) => (
        <li>
          {`${phase === "before" ? "Before" : "After"} snapshot ${snapshot}: ${job}, `}
          <a id={`deploy-${phase}`} href={`/runs/${run}`}>
            {state}
          </a>
          {reason !== "" && <p class="why">{reason}</p>}
        </li>
      ))}
    </ul>
  );
}

function Acts({ deployment, here }: { deployment: DeploymentView; here: string }): JSX.Element {
  const spec = `${apiPath(deployment)}/spec`;
  return (
    <div class="acts">
      <Switch deployment={deployment} id="this" here={here} />
      <form method="post" action={`${here}/restart`}>
        <button id="restart" class="quiet" type="submit">
          Restart
        </button>
      </form>
      <span class="downloads">
        Download as{" "}
        <a id="as-json" href={`${spec}?format=json`} download>
          JSON
        </a>{" "}
        or{" "}
        <a id="as-yaml" href={`${spec}?format=yaml`} download>
          YAML
        </a>
      </span>
    </div>
  );
}
