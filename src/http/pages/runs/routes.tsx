import { followerView, runView } from "../../../runs/view.ts";
import { isEnded } from "../../../runs/state.ts";
import { runPage } from "../../api/runs/listing.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { readPage } from "../../paging.ts";
import { actorOf, type Call, type Route } from "../../route.ts";
import { page } from "../layout.tsx";
import { lastLines } from "../log.tsx";
import { readRunsQuery, runFilter } from "./filter.ts";
import { RunsPage } from "./list.tsx";
import { RunPage } from "./run.tsx";

const runsOnAPage = 50;

const html = {
  answer: { status: 200, mediaType: "text/html" },
  voice: "page",
  method: "GET",
  audience: "member",
} as const;

/** The pages of runs; what their forms post is in acts.ts. */
export const runPageRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  {
    ...html,
    path: "/runs",
    summary: "The runs of jobs, newest first",
    handle: (call) => listPage(dependencies, call),
  },
  {
    ...html,
    path: "/runs/:id",
    summary: "A run's page",
    handle: (call) => onePage(dependencies, call),
  },
];

async function listPage({ runs, release, clock }: HttpDependencies, call: Call): Promise<Response> {
  const { searchParams } = call.url;
  const query = readRunsQuery(searchParams);
  const { after } = readPage(searchParams);
  const [{ shown, next }, deployments] = await Promise.all([
    runPage(runs, runFilter(query), { limit: runsOnAPage, after }),
    release.deployments(),
  ]);
  const jobs = deployments.filter(({ kind }) => kind === "job");
  const props = { visitor: actorOf(call), runs: shown.map(runView), next, isFirst: after === null, query, jobs };
  return page(<RunsPage {...props} now={clock.now()} />);
}

async function onePage({ runs, log, clock }: HttpDependencies, call: Call): Promise<Response> {
  const run = runView(await runs.run(call.param("id")));
  const lines =
    isEnded(run.state) || run.startedAt !== null ? await lastLines(log, (request) => runs.logs(run.id, request)) : [];
  const followers = (await runs.followers(run.id)).map(followerView);
  return page(<RunPage visitor={actorOf(call)} run={run} followers={followers} log={lines} now={clock.now()} />);
}
