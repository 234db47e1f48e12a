import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import type { EnvironmentView, SnapshotView } from "../../release/views.ts";
import { DriftList } from "./card.tsx";
import { History } from "./history.tsx";
import { Layout } from "./layout.tsx";
import { Moment } from "./moment.tsx";

interface BannerProps {
  readonly environment: EnvironmentView;
  readonly mayAct: boolean;
  readonly here: string;
  readonly now: Date;
}

export const environmentPath = ({ repository, environment }: EnvironmentView): string =>
  `/environments/${repository}/${environment}`;

/** Why new commits do not go live by themselves, and the button that lets them. */
export function HoldBanner({ environment, mayAct, here, now }: BannerProps): JSX.Element {
  const { hold, waiting } = environment;
  if (!hold && !waiting) return <></>;
  const id = `release-${environment.repository}.${environment.environment}`;
  return (
    <div class="banner" role="note" aria-label={hold ? "On hold" : "Waiting"}>
      <div>
        <p>
          <strong>{hold ? "On hold" : "Waiting for a person"}</strong>
          {hold && (
            <>
              {" "}
              by {hold.by}, <Moment at={hold.since} now={now} />
              {hold.reason !== "" && `: ${hold.reason}`}
            </>
          )}
        </p>
        {waiting && (
          <p>
            Commit <code>{waiting.commit.slice(0, 7)}</code> waits: {waiting.reason}
          </p>
        )}
      </div>
      {mayAct && (
        <form method="post" action={`${environmentPath(environment)}/release`}>
          <input type="hidden" name="return" value={here} />
          <button id={id} type="submit">
            Release<span class="unseen"> {environment.environment}</span>
          </button>
        </form>
      )}
    </div>
  );
}

export interface EnvironmentPageProps {
  readonly visitor: Identity;
  readonly environment: EnvironmentView;
  readonly snapshots: readonly SnapshotView[];
  readonly now: Date;
}

export function EnvironmentPage({ visitor, environment, snapshots, now }: EnvironmentPageProps): JSX.Element {
  const here = environmentPath(environment);
  return (
    <Layout title={`${environment.environment} of ${environment.repository}`} visitor={visitor} isLive>
      <nav class="trail" aria-label="Where you are">
        <a href="/">Deployments</a>
      </nav>
      <div id="environment" data-live>
        <h1>
          {environment.environment} <span class="of">{environment.repository}</span>
        </h1>
        <p class="lead">
          {environment.branch === null ? "Promoted to by hand." : `Follows the branch ${environment.branch}.`}
        </p>
        <DriftList drift={environment.drift} now={now} />
        <HoldBanner environment={environment} mayAct here={here} now={now} />
        {!environment.hold && <HoldForm path={here} />}
      </div>
      <section id="history" data-live aria-labelledby="history-title">
        <h2 id="history-title">History</h2>
        <History snapshots={snapshots} now={now} rollback={{ action: `${here}/rollback`, only: null }} />
      </section>
    </Layout>
  );
}

const HoldForm = ({ path }: { path: string }): JSX.Element => (
  <details class="ask">
    <summary>Hold</summary>
    <form method="post" action={`${path}/hold`}>
      <p>New commits wait until somebody releases the environment. What runs goes on running.</p>
      <label>
        Why
        <input name="reason" maxlength={1000} autocomplete="off" />
      </label>
      <button type="submit">Hold this environment</button>
    </form>
  </details>
);
