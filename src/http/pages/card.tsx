import type { JSX } from "hono/jsx/jsx-runtime";
import { driftWords } from "../../release/drift-words.ts";
import type { DeploymentView, DriftView } from "../../release/views.ts";
import { Moment } from "./moment.tsx";
import { StateBadge, toneOf } from "./state.tsx";

export interface CardProps {
  readonly deployment: DeploymentView;
  readonly now: Date;
  readonly mayAct: boolean;
  /** Where a form leads back to. */
  readonly here: string;
}

export const deploymentPath = ({ repository, environment, name }: DeploymentView): string =>
  `/deployments/${repository}/${environment}/${name}`;

const shortTag = (tag: string): string => tag.replace(/^waybill\//, "");

/** One deployment as a slip: state, name, where it is, what it is at, and the switch. */
export function Card({ deployment, now, mayAct, here }: CardProps): JSX.Element {
  const { environment, name, kind, state, url, description } = deployment;
  const id = `${deployment.repository}.${environment}.${name}`;
  return (
    <article
      class={`slip ${toneOf[state]}`}
      aria-labelledby={`name-${id}`}
      data-state-of={`${name} in ${environment}`}
      data-state={state}
    >
      <header>
        <StateBadge state={state} />
        <span class="kind">{kind}</span>
      </header>
      <div class="what">
        <h3 id={`name-${id}`}>
          <a id={`open-${id}`} href={deploymentPath(deployment)}>
            {name}
          </a>
        </h3>
        {description !== "" && <p class="description">{description}</p>}
        <Reason deployment={deployment} />
        <DriftList drift={deployment.drift} now={now} />
        {url && (
          <a id={`url-${id}`} class="address" href={url}>
            {url.replace(/^https?:\/\//, "")}
          </a>
        )}
      </div>
      <dl class="cells">
        <Facts deployment={deployment} now={now} />
      </dl>
      {mayAct && <Switch deployment={deployment} id={id} here={here} />}
    </article>
  );
}

export function Reason({ deployment: { reason, pause, state } }: { deployment: DeploymentView }): JSX.Element {
  const text =
    pause && state === "paused" ? `Paused by ${pause.by}${pause.reason === "" ? "" : `: ${pause.reason}`}` : reason;
  return <>{text !== "" && <p class="reason">{text}</p>}</>;
}

/** What others changed in the cluster of what was applied. */
export function DriftList({ drift, now }: { drift: readonly DriftView[]; now: Date }): JSX.Element {
  return (
    <>
      {drift.length > 0 && (
        <ul class="drift" aria-label="Changed by others">
          {drift.map((one) => (
            <li>
              {driftWords(one)}
              {one.at !== null && (
                <>
                  , <Moment at={one.at} now={now} />
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

export function Facts({
  deployment: { snapshot, commit, updatedAt },
  now,
}: {
  deployment: DeploymentView;
  now: Date;
}): JSX.Element {
  return (
    <>
      <div>
        <dt>Snapshot</dt>
        <dd>{shortTag(snapshot)}</dd>
      </div>
      <div>
        <dt>Commit</dt>
        <dd>{commit.slice(0, 7)}</dd>
      </div>
      <div>
        <dt>Since</dt>
        <dd>
          <Moment at={updatedAt} now={now} />
        </dd>
      </div>
    </>
  );
}

/** Pause and resume as a switch that works without script. */
export function Switch({
  deployment,
  id,
  here,
}: {
  deployment: DeploymentView;
  id: string;
  here: string;
}): JSX.Element {
  const isPaused = deployment.pause !== null;
  return (
    <form class="switch" method="post" action={`${deploymentPath(deployment)}/${isPaused ? "resume" : "pause"}`}>
      <input type="hidden" name="return" value={here} />
      <button id={`switch-${id}`} type="submit" class={isPaused ? undefined : "on"}>
        <span class="track" aria-hidden="true"></span>
        <span>
          {isPaused ? "Resume" : "Pause"}
          <span class="unseen"> {deployment.name}</span>
        </span>
      </button>
    </form>
  );
}
