import type { Child } from "hono/jsx";
import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../core/identity.ts";
import type { DeploymentView, EnvironmentView, RepositoryView } from "../../release/views.ts";
import { Card } from "./card.tsx";
import { HoldBanner } from "./environment.tsx";
import { Layout } from "./layout.tsx";
import { isOnline, toneOf } from "./state.tsx";

export interface HomeProps {
  readonly visitor: Identity;
  readonly mayAct: boolean;
  readonly deployments: readonly DeploymentView[];
  /** Empty for somebody who may not see environments. */
  readonly environments: readonly EnvironmentView[];
  readonly repositories: readonly RepositoryView[];
  readonly filter: HomeFilter;
  readonly now: Date;
  readonly publicUrl: string;
}

const shows = ["all", "online", "paused", "trouble"] as const;
type Show = (typeof shows)[number];

export interface HomeFilter {
  readonly show: Show;
  /** Null: every environment. */
  readonly environment: string | null;
}

const labelOf: Record<Show, string> = { all: "All", online: "Online", paused: "Paused", trouble: "In trouble" };

const matches: Record<Show, (deployment: DeploymentView) => boolean> = {
  all: () => true,
  online: ({ state }) => isOnline(state),
  paused: ({ state, pause }) => state === "paused" || pause !== null,
  trouble: ({ state }) => toneOf[state] === "bad" || toneOf[state] === "warn",
};

export function readHomeFilter(query: URLSearchParams): HomeFilter {
  const show = shows.find((name) => name === query.get("show")) ?? "all";
  return { show, environment: query.get("environment") };
}

export function homePath({ show, environment }: HomeFilter): string {
  const query = new URLSearchParams({
    ...(show === "all" ? {} : { show }),
    ...(environment === null ? {} : { environment }),
  });
  return query.size === 0 ? "/" : `/?${query.toString()}`;
}

export function Home(props: HomeProps): JSX.Element {
  const { deployments, visitor, repositories } = props;
  const isEmpty = deployments.length === 0 && !props.environments.some(hasNews);
  return (
    <Layout title="Deployments" visitor={visitor} isLive>
      <div id="board" data-live>
        {!isEmpty && <h1 class="unseen">Deployments</h1>}
        <Unreadable repositories={repositories} />
        {isEmpty ? <Empty {...props} /> : <Board {...props} />}
      </div>
    </Layout>
  );
}

/** Something to decide, though nothing of it may be deployed. */
const hasNews = ({ hold, waiting }: EnvironmentView): boolean => hold !== null || waiting !== null;

const Unreadable = ({ repositories }: Pick<HomeProps, "repositories">): JSX.Element => (
  <>
    {repositories.map(
      ({ name, problem }) =>
        problem !== null && (
          <p class="problem" role="note">
            The repository <strong>{name}</strong> cannot be read: {problem}
          </p>
        ),
    )}
  </>
);

function Board(props: HomeProps): JSX.Element {
  const { deployments, filter } = props;
  const inEnvironment = deployments.filter(
    ({ environment }) => filter.environment === null || environment === filter.environment,
  );
  const shown = inEnvironment.filter(matches[filter.show]);
  const isEverything = filter.show === "all" && filter.environment === null;
  const all = groups(shown, isEverything ? props.environments.filter(hasNews) : []);
  return (
    <>
      <Filters {...props} inEnvironment={inEnvironment} />
      {all.length === 0 && (
        <p class="nothing">
          Nothing here is {labelOf[filter.show].toLowerCase()}. <a href="/">Show all deployments</a>
        </p>
      )}
      {all.map((group) => (
        <Group {...props} group={group} />
      ))}
    </>
  );
}

function Filters({
  deployments,
  filter,
  inEnvironment,
}: HomeProps & { inEnvironment: readonly DeploymentView[] }): JSX.Element {
  const names = [...new Set(deployments.map(({ environment }) => environment))].sort();
  const counts = shows.map((show) => ({ show, count: inEnvironment.filter(matches[show]).length }));
  return (
    <nav class="filters" aria-label="Filters">
      <ul>
        {counts
          .filter(({ show, count }) => show !== "trouble" || count > 0 || filter.show === show)
          .map(({ show, count }) => (
            <li>
              <Choice id={`show-${show}`} to={{ ...filter, show }} isChosen={filter.show === show}>
                {labelOf[show]} <span class="count">{count}</span>
              </Choice>
            </li>
          ))}
      </ul>
      {names.length > 1 && (
        <ul aria-label="Environments">
          <li>
            <Choice id="in-all" to={{ ...filter, environment: null }} isChosen={filter.environment === null}>
              Everywhere
            </Choice>
          </li>
          {names.map((environment) => (
            <li>
              <Choice
                id={`in-${environment}`}
                to={{ ...filter, environment }}
                isChosen={filter.environment === environment}
              >
                {environment}
              </Choice>
            </li>
          ))}
        </ul>
      )}
    </nav>
  );
}

function Choice({
  id,
  to,
  isChosen,
  children,
}: {
  id: string;
  to: HomeFilter;
  isChosen: boolean;
  children?: Child;
}): JSX.Element {
  return (
    <a id={id} href={homePath(to)} aria-current={isChosen ? "true" : undefined}>
      {children}
    </a>
  );
}

interface GroupOfCards {
  readonly repository: string;
  readonly environment: string;
  readonly deployments: readonly DeploymentView[];
}

/** Cards by environment, in one order; an environment with news is there without cards, too. */
function groups(deployments: readonly DeploymentView[], news: readonly EnvironmentView[]): readonly GroupOfCards[] {
  const keyOf = ({ repository, environment }: { repository: string; environment: string }): string =>
    `${repository}/${environment}`;
  const cards = Object.groupBy(deployments, keyOf);
  const places = new Map([...news, ...deployments].map((one) => [keyOf(one), one]));
  return [...places]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { repository, environment }]) => ({
      repository,
      environment,
      deployments: (cards[key] ?? []).toSorted((a, b) => a.name.localeCompare(b.name, "en")),
    }));
}

function Group({ group, environments, mayAct, now, filter }: HomeProps & { group: GroupOfCards }): JSX.Element {
  const { repository, environment, deployments } = group;
  const id = `group-${repository}.${environment}`;
  const view = environments.find((one) => one.repository === repository && one.environment === environment);
  return (
    <section class="group" aria-labelledby={id}>
      <h2 id={id}>
        {view ? (
          <a id={`environment-${repository}.${environment}`} href={`/environments/${repository}/${environment}`}>
            {environment}
          </a>
        ) : (
          environment
        )}
        <span class="of">{repository}</span>
      </h2>
      {view && <HoldBanner environment={view} mayAct={mayAct} here={homePath(filter)} now={now} />}
      <ul class="slips">
        {deployments.map((deployment) => (
          <li>
            <Card deployment={deployment} now={now} mayAct={mayAct} here={homePath(filter)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Empty({ mayAct, publicUrl }: HomeProps): JSX.Element {
  return (
    <div class="empty">
      <h1>Nothing is deployed yet</h1>
      {mayAct ? (
        <FirstSteps publicUrl={publicUrl} />
      ) : (
        <p class="lead">Or nothing that you may see: somebody of your team can add you as a viewer.</p>
      )}
    </div>
  );
}

function FirstSteps({ publicUrl }: { publicUrl: string }): JSX.Element {
  const push = [
    "git add deployments",
    'git commit -m "Deploy with Waybill"',
    `git remote add waybill ${publicUrl}/git/my-program.git`,
    "git push waybill HEAD:main",
  ];
  return (
    <>
      <p class="lead">Go to the folder of a program of yours, and type:</p>
      <ol class="steps">
        <li>
          <p>Write its first deployment file. It looks at the folder and says what it saw.</p>
          <Typed lines={["waybill init"]} />
        </li>
        <li>
          <p>Commit it, and push it here.</p>
          <Typed lines={push} />
          <p class="hint">
            Git asks for a name, which may be anything, and a password, which is a token:{" "}
            <a href="/account">make one</a>.
          </p>
        </li>
        <li>
          <p>The push says what it does and ends with the address. This page follows along.</p>
        </li>
      </ol>
    </>
  );
}

const Typed = ({ lines }: { lines: readonly string[] }): JSX.Element => (
  <pre tabindex={0}>
    <code>{lines.join("\n")}</code>
  </pre>
);
