import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import type { DeploymentView, EnvironmentView, SnapshotView } from "../../release/views.ts";
import type { LogLine } from "../../targets/workload.ts";
import { deploymentPath, DriftList, Facts, Reason, Switch } from "./card.tsx";
import { HoldBanner } from "./environment.tsx";
import { History } from "./history.tsx";
import { Layout } from "./layout.tsx";
import { StateBadge, toneOf } from "./state.tsx";

export interface DeploymentPageProps {
  readonly visitor: Identity;
  readonly deployment: DeploymentView;
  readonly now: Date;
  /** What members see besides; null for viewers. */
  readonly inside: Inside | null;
}

interface Inside {
  readonly environment: EnvironmentView | null;
  readonly snapshots: readonly SnapshotView[];
  readonly log: readonly LogLine[];
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
        {inside && <Acts deployment={deployment} here={here} />}
      </div>
      {inside && (
        <>
          <LogSection deployment={deployment} log={inside.log} />
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

function Acts({ deployment, here }: { deployment: DeploymentView; here: string }): JSX.Element {
  const { repository, environment, name } = deployment;
  const spec = `/api/v1/repositories/${repository}/environments/${environment}/deployments/${name}/spec`;
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

function LogSection({ deployment, log }: { deployment: DeploymentView; log: readonly LogLine[] }): JSX.Element {
  const { repository, environment, name } = deployment;
  const source = `/api/v1/repositories/${repository}/environments/${environment}/deployments/${name}/logs`;
  return (
    <section aria-labelledby="log-title">
      <h2 id="log-title">
        Log <span id="log-status" class="of"></span>
      </h2>
      <div
        id="log"
        class="log"
        role="log"
        aria-live="off"
        tabindex={0}
        aria-labelledby="log-title"
        data-source={`${source}?format=events&follow=true&lines=200`}
      >
        {log.length === 0 ? (
          <p class="nothing">Nothing was said yet.</p>
        ) : (
          log.map(({ at, stream, text }) => (
            <p class={stream}>
              <time datetime={at}>{at.slice(11, 19)}</time> {text}
            </p>
          ))
        )}
      </div>
      <p class="hint">
        <a href={`${source}?lines=10000`}>The last 10,000 lines as text</a>
      </p>
    </section>
  );
}
