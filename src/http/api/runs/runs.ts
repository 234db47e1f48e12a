import { WaybillError } from "../../../core/errors.ts";
import type { Runs } from "../../../runs/runs.ts";
import type { RunFilter } from "../../../runs/store.ts";
import { runStates, type RunState } from "../../../runs/state.ts";
import { followerView, runView } from "../../../runs/view.ts";
import type { HttpDependencies } from "../../dependencies.ts";
import { readLogRequest, logResponse, logQuery } from "../logs.ts";
import { pageQuery, readPage } from "../../paging.ts";
import { actorOf, json, type Call, type Route } from "../../route.ts";
import { deploymentRoot, stackOf } from "../deployments.ts";
import { runPage } from "./listing.ts";

const runRoot = "/api/v1/runs/:id";

export const runRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  startRoute(dependencies.runs, dependencies),
  listRoute(dependencies.runs),
  ...viewRoutes(dependencies),
  ...actRoutes(dependencies.runs),
];

interface RunRequest {
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly name?: string;
  readonly at?: string;
  readonly in?: number;
  readonly callback?: string;
}

const startRoute = (runs: Runs, { clock }: HttpDependencies): Route => ({
  method: "POST",
  path: `${deploymentRoot}/runs`,
  audience: "member",
  voice: "api",
  summary: "Run a job, at once or at a time",
  body: "RunRequest",
  maxBodyBytes: 256 * 1024,
  answer: { status: 201, schema: "RunAnswer" },
  async handle(call) {
    const { parameters = {}, name = "", callback = null, ...when } = call.body as RunRequest;
    if (when.at !== undefined && when.in !== undefined) {
      throw new WaybillError("REQUEST_INVALID", "body has both at and in: send one of them");
    }
    const at = when.in === undefined ? when.at && new Date(when.at) : new Date(clock.now().getTime() + when.in * 1_000);
    const actor = actorOf(call);
    const run = await runs.start({ stack: stackOf(call), parameters, name, callback, actor, at: at || null });
    return json({ run: runView(await runs.run(run.id)) }, 201);
  },
});

const listRoute = (runs: Runs): Route => ({
  method: "GET",
  path: "/api/v1/runs",
  audience: "member",
  voice: "api",
  summary: "List runs, newest first",
  query: {
    repository: { type: "string", description: "Only this repository's." },
    environment: { type: "string", description: "Only this environment's." },
    job: { type: "string", description: "Only those of this job." },
    state: { type: "string", description: "Only those in one of these states, separated by commas." },
    ...pageQuery,
  },
  answer: { status: 200, schema: "RunList" },
  async handle(call) {
    const { searchParams } = call.url;
    const { shown, next } = await runPage(runs, readFilter(searchParams), readPage(searchParams));
    return json({ runs: shown.map(runView), next });
  },
});

function readFilter(query: URLSearchParams): RunFilter {
  const [repository, environment, job] = [query.get("repository"), query.get("environment"), query.get("job")];
  const states = query.get("state")?.split(",");
  const unknown = states?.find((state) => !runStates.includes(state as RunState));
  if (unknown !== undefined) {
    const shown = JSON.stringify(unknown.slice(0, 40));
    throw new WaybillError("REQUEST_INVALID", `state is ${shown}, not one of ${runStates.join(", ")}`);
  }
  return {
    ...(repository && { repository }),
    ...(environment && { environment }),
    ...(job && { job }),
    ...(states && { states: states as RunState[] }),
  };
}

const viewRoutes = (dependencies: HttpDependencies): readonly Route[] => [
  {
    method: "GET",
    path: runRoot,
    audience: "member",
    voice: "api",
    summary: "One run: its state and why, its result",
    answer: { status: 200, schema: "RunAnswer" },
    async handle(call) {
      const run = await dependencies.runs.run(call.param("id"));
      const followers = await dependencies.runs.followers(run.run.id);
      return json({ run: runView(run), followers: followers.map(followerView) });
    },
  },
  {
    method: "GET",
    path: `${runRoot}/logs`,
    audience: "member",
    voice: "api",
    summary: "A run's log; followed, until the run has ended",
    query: logQuery,
    answer: { status: 200, mediaType: "text/plain" },
    async handle(call) {
      const { run } = await dependencies.runs.run(call.param("id"));
      const request = readLogRequest(call);
      const { lines, follow } = request.log;
      const read = (signal: AbortSignal) =>
        dependencies.runs.logs(run.id, { lines, follow, signal: AbortSignal.any([signal, dependencies.signal]) });
      return logResponse(call, request, read, () => !dependencies.signal.aborted);
    },
  },
  {
    method: "GET",
    path: `${runRoot}/file`,
    audience: "member",
    voice: "api",
    summary: "A file that a run left under $WAYBILL_OUTPUT",
    query: { path: { type: "string", description: "As the run's `files` have it." } },
    answer: { status: 200, mediaType: "application/octet-stream" },
    async handle(call) {
      const path = call.url.searchParams.get("path") ?? "";
      const { bytes, body } = await dependencies.runs.openFile(call.param("id"), path);
      const name = encodeURIComponent(path.split("/").at(-1) ?? "file");
      return new Response(body, {
        headers: {
          // What a program wrote is never shown as a page of ours.
          "content-type": "application/octet-stream",
          "x-content-type-options": "nosniff",
          "content-disposition": `attachment; filename*=UTF-8''${name}`,
          "content-length": String(bytes),
        },
      });
    },
  },
];

function actRoutes(runs: Runs): readonly Route[] {
  const act = (
    name: string,
    summary: string,
    { body, carryOut }: { body?: string; carryOut: (call: Call, id: string) => Promise<{ id: string }> },
  ): Route => ({
    method: "POST",
    path: `${runRoot}/${name}`,
    audience: "member",
    voice: "api",
    summary,
    ...(body !== undefined && { body }),
    answer: { status: 200, schema: "RunAnswer" },
    async handle(call) {
      const { id } = await carryOut(call, call.param("id"));
      return json({ run: runView(await runs.run(id)) });
    },
  });
  return [
    act("cancel", "End a run, or take it out of its queue", {
      carryOut: (call, id) => runs.cancel(id, actorOf(call)),
    }),
    act("retry", "Another attempt of a run that did not complete", {
      carryOut: (call, id) => runs.retry(id, actorOf(call)),
    }),
    act("rerun", "A new run with the same parameters", {
      body: "RerunRequest",
      carryOut(call, id) {
        const { revision = "same" } = call.body as { revision?: "same" | "newest" };
        return runs.rerun(id, { revision, actor: actorOf(call) });
      },
    }),
  ];
}
