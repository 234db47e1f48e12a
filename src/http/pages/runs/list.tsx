import type { JSX } from "hono/jsx/jsx-runtime";
import type { Identity } from "../../../core/identity.ts";
import type { DeploymentView } from "../../../release/views.ts";
import type { RunView } from "../../../runs/view.ts";
import { Layout } from "../layout.tsx";
import { runsPath, stateChoices, type RunsQuery } from "./filter.ts";
import { RunRows } from "./rows.tsx";

export interface RunsPageProps {
  readonly visitor: Identity;
  readonly runs: readonly RunView[];
  /** Where the next page begins; null for the last one. */
  readonly next: string | null;
  readonly isFirst: boolean;
  readonly query: RunsQuery;
  /** Of which there may be runs. */
  readonly jobs: readonly DeploymentView[];
  readonly now: Date;
}

export function RunsPage(props: RunsPageProps): JSX.Element {
  const { visitor, runs, query, now } = props;
  return (
    <Layout title="Runs" visitor={visitor} isLive>
      <h1>Runs</h1>
      <Filters {...props} />
      <div id="runs" data-live data-shows-runs>
        {runs.length === 0 ? (
          <p class="nothing">
            {runsPath(query) === "/runs" ? "No job has run yet." : "No run is like that."}{" "}
            {runsPath(query) !== "/runs" && <a href="/runs">Show all runs</a>}
          </p>
        ) : (
          <RunRows runs={runs} now={now} />
        )}
        <Pages {...props} />
      </div>
    </Layout>
  );
}

function Filters({ query, jobs }: RunsPageProps): JSX.Element {
  const namesOf = (field: "name" | "environment" | "repository"): readonly Choice[] =>
    [...new Set(jobs.map((job) => job[field]))].sort().map((value) => ({ value, text: value }));
  const repositories = namesOf("repository");
  return (
    <form class="choices" method="get" action="/runs" aria-label="Filters">
      <Choices name="job" label="Job" any="All jobs" chosen={query.job} choices={namesOf("name")} />
      <Choices
        name="environment"
        label="Environment"
        any="Everywhere"
        chosen={query.environment}
        choices={namesOf("environment")}
      />
      {(repositories.length > 1 || query.repository !== "") && (
        <Choices name="repository" label="Repository" any="All" chosen={query.repository} choices={repositories} />
      )}
      <Choices name="state" label="State" any="Any state" chosen={query.state} choices={stateChoices} />
      <button type="submit">Show</button>
    </form>
  );
}

interface Choice {
  readonly value: string;
  readonly text: string;
}

interface ChoicesProps {
  readonly name: string;
  readonly label: string;
  /** What choosing nothing is called. */
  readonly any: string;
  readonly chosen: string;
  readonly choices: readonly Choice[];
}

/** What is asked for is among the choices, though nothing of it may be deployed any more. */
function Choices({ name, label, any, chosen, choices }: ChoicesProps): JSX.Element {
  const isListed = chosen === "" || choices.some(({ value }) => value === chosen);
  const all = [{ value: "", text: any }, ...choices, ...(isListed ? [] : [{ value: chosen, text: chosen }])];
  return (
    <label>
      {label}
      <select name={name}>
        {all.map(({ value, text }) => (
          <option value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Pages({ query, next, isFirst }: RunsPageProps): JSX.Element {
  if (isFirst && next === null) return <></>;
  return (
    <nav class="pages" aria-label="Pages">
      {!isFirst && (
        <a id="newest" href={runsPath(query)}>
          Newest
        </a>
      )}
      {next !== null && (
        <a id="older" href={runsPath(query, next)}>
          Older
        </a>
      )}
    </nav>
  );
}
