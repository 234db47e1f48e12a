import { driftWords } from "../../release/drift-words.ts";
import type {
  DeploymentState,
  DeploymentView,
  DriftView,
  EnvironmentView,
  RepositoryView,
} from "../../release/views.ts";
import { pauseWords } from "../../release/workload.ts";
import { answer, type CommandContext } from "../command.ts";
import { apiPath, type Client } from "../client.ts";
import { WaybillError } from "../../core/errors.ts";
import { ago, painter, printable, table, type Cell } from "../terminal.ts";

interface StatusOptions {
  readonly repository?: string;
  readonly environment?: string;
}

const styleOf = {
  ready: "green",
  sleeping: "cyan",
  paused: "dim",
  stopped: "dim",
  draft: "dim",
  waiting: "cyan",
  building: "cyan",
  starting: "cyan",
  degraded: "yellow",
  failed: "red",
} as const satisfies Record<DeploymentState, string>;

/** The fields that scripts may count on (design, "Command line and API"). */
const scriptFields = [
  "repository",
  "environment",
  "name",
  "kind",
  "state",
  "reason",
  "snapshot",
  "commit",
  "url",
  "drift",
  "deployJobs",
] as const satisfies readonly (keyof DeploymentView)[];

export const statusFields = (deployment: DeploymentView): Record<string, unknown> =>
  Object.fromEntries(scriptFields.map((field) => [field, deployment[field]]));

export async function status(context: CommandContext, name: string | undefined, options: StatusOptions): Promise<void> {
  const client = await context.connect();
  const filter = { repository: options.repository, environment: options.environment, name };
  const deployments = await client.list<DeploymentView>(apiPath(["deployments"], filter), "deployments");
  if (name !== undefined && deployments.length === 0) {
    throw new WaybillError("NOT_FOUND", `there is no deployment ${name} that you may see: "waybill status" lists all`);
  }
  const environments = name !== undefined ? [] : await environmentsOf(client, options);
  const troubled = name !== undefined ? [] : await troubledRepositories(client, options);
  const drifted = environments.filter(({ drift }) => drift.length > 0);
  const shared = drifted.map(({ repository, environment, drift }) => ({ repository, environment, drift }));
  answer(
    context,
    {
      deployments: deployments.map(statusFields),
      ...(name === undefined && { environments: shared, repositories: troubled }),
    },
    [
      ...statusLines(context, deployments, client.url),
      ...drifted.flatMap(({ repository, environment, drift }) => [
        "",
        `what ${environment} of ${repository} stands on was changed:`,
        ...driftLines(drift, context.now()),
      ]),
      ...environments.flatMap(standstill),
      ...troubled.flatMap(({ name: repository, problem }) => ["", printable(`${repository}: ${problem ?? ""}`)]),
    ],
  );
}

/** Whoever may not see them sees deployments all the same. */
const noneWhereForbidden = (thrown: unknown): [] => {
  if (thrown instanceof WaybillError && thrown.code === "FORBIDDEN") return [];
  throw thrown;
};

/** Those that cannot be read, or not all of them. */
async function troubledRepositories(client: Client, options: StatusOptions) {
  const all = await client.list<RepositoryView>(apiPath(["repositories"]), "repositories").catch(noneWhereForbidden);
  return all
    .filter(({ name, problem }) => problem !== null && name === (options.repository ?? name))
    .map(({ name, problem }) => ({ name, problem }));
}

async function environmentsOf(client: Client, options: StatusOptions): Promise<readonly EnvironmentView[]> {
  const path = apiPath(["environments"], { repository: options.repository });
  const all = await client.list<EnvironmentView>(path, "environments").catch(noneWhereForbidden);
  return all.filter(({ environment }) => options.environment === undefined || environment === options.environment);
}

/** Why what is pushed does not come: a hold, or a commit that waits for a person. */
function standstill({ repository, environment, hold, waiting }: EnvironmentView): readonly string[] {
  const where = `${environment} of ${repository}`;
  const held = hold ? [`${where} is on hold, by ${hold.by}: ${hold.reason}`] : [];
  const waits = waiting ? [`${where}: ${waiting.commit.slice(0, 10)} waits: ${waiting.reason}`] : [];
  const lines = [...held, ...waits].map(printable);
  return lines.length === 0 ? [] : ["", ...lines, `    to let go: waybill release ${environment}`];
}

function statusLines(context: CommandContext, deployments: readonly DeploymentView[], url: string): readonly string[] {
  if (deployments.length === 0) return [`Nothing is deployed on ${url} yet. "waybill init" writes a first file.`];
  const paint = painter(context.terminal);
  const hasMany = new Set(deployments.map(({ repository }) => repository)).size > 1;
  const headings = [
    ...(hasMany ? ["REPOSITORY"] : []),
    "ENVIRONMENT",
    "NAME",
    "KIND",
    "STATE",
    "SNAPSHOT",
    "SINCE",
    "URL",
  ];
  const rows = deployments.map((one): readonly Cell[] => [
    ...(hasMany ? [{ text: one.repository }] : []),
    { text: one.environment },
    { text: one.name, style: "bold" },
    { text: one.kind },
    { text: one.state, style: styleOf[one.state] },
    { text: one.snapshot.replace(/^.*\//, "") },
    { text: ago(one.updatedAt, context.now()) },
    { text: one.url ?? "" },
  ]);
  const [heading = "", ...lines] = table(headings, rows, paint);
  return [
    heading,
    ...lines.flatMap((line, index) => [
      line,
      ...reasonLines(deployments[index]),
      ...jobLines(deployments[index]),
      ...driftLines(deployments[index]?.drift ?? [], context.now()),
    ]),
  ];
}

const driftLines = (drift: readonly DriftView[], now: Date): readonly string[] =>
  drift.map((one) => `    changed: ${printable(driftWords(one))}${one.at === null ? "" : `, ${ago(one.at, now)}`}`);

/** What became of the jobs around its switch, where that is no part of its reason. */
function jobLines(deployment: DeploymentView | undefined): readonly string[] {
  const jobs = (deployment?.deployJobs ?? []).filter(({ phase, state }) => phase === "after" && state !== "completed");
  return jobs.flatMap(({ job, run, snapshot, state, reason }) => {
    const why = reason === "" ? "" : ` is ${reason}`;
    return indented(
      `run ${run} of job ${job} after snapshot ${snapshot} ${state === "failed" ? `failed:${why}` : "goes on"}`,
    );
  });
}

function reasonLines(deployment: DeploymentView | undefined): readonly string[] {
  if (!deployment) return [];
  const { reason, pause } = deployment;
  const why = pause ? pauseWords(pause) : reason;
  return why === "" ? [] : indented(why);
}

/** Below the row that it is about. */
const indented = (text: string): readonly string[] =>
  printable(text)
    .split("\n")
    .map((line) => `    ${line}`);
