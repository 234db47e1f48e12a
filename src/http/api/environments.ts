import type { EnvironmentRef, Release } from "../../release/release.ts";
import type { EnvironmentView } from "../../release/views.ts";
import type { HttpDependencies } from "../dependencies.ts";
import { WaybillError } from "../../core/errors.ts";
import { isName } from "../../core/names.ts";
import { pageOf, pageQuery, readPage, toCursor } from "../paging.ts";
import { actorOf, json, type Call, type Route } from "../route.ts";

const root = "/api/v1/repositories/:repository/environments/:environment";

interface RollbackRequest {
  readonly to?: number | null;
  readonly only?: string | null;
  readonly note?: string;
}

export function environmentRef(call: Call): EnvironmentRef {
  return { repository: nameParam(call, "repository"), environment: nameParam(call, "environment") };
}

/** A name of the path; what cannot be a name names nothing. */
export function nameParam(call: Call, param: string): string {
  const name = call.param(param);
  if (!isName(name))
    throw new WaybillError("NOT_FOUND", `there is no ${param} called ${JSON.stringify(name.slice(0, 80))}`);
  return name;
}

/** Throws NOT_FOUND for an environment that nobody follows or promotes to. */
export async function findEnvironment(release: Release, ref: EnvironmentRef): Promise<EnvironmentView> {
  const environments = await release.environments(ref.repository);
  const found = environments.find(({ environment }) => environment === ref.environment);
  if (found) return found;
  const names = environments.map(({ environment }) => environment).join(", ") || "none";
  throw new WaybillError("NOT_FOUND", `${ref.repository} has no environment ${ref.environment} (there: ${names})`);
}

export function environmentRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [
    listRoute(dependencies),
    historyRoute(dependencies),
    rollbackRoute(dependencies),
    ...holdRoutes(dependencies),
  ];
}

const listRoute = ({ release }: HttpDependencies): Route => ({
  method: "GET",
  path: "/api/v1/environments",
  audience: "member",
  voice: "api",
  summary: "List environments",
  query: { repository: { type: "string", description: "Only this repository's." }, ...pageQuery },
  answer: { status: 200, schema: "EnvironmentList" },
  async handle({ url }) {
    const rows = await release.environments(url.searchParams.get("repository") ?? undefined);
    const page = pageOf(rows, (row) => `${row.repository}/${row.environment}`, readPage(url.searchParams));
    return json({ environments: page.rows, next: page.next });
  },
});

const historyRoute = ({ release }: HttpDependencies): Route => ({
  method: "GET",
  path: `${root}/snapshots`,
  audience: "member",
  voice: "api",
  summary: "List an environment's snapshots, newest first",
  query: pageQuery,
  answer: { status: 200, schema: "SnapshotList" },
  async handle(call) {
    const { limit, after } = readPage(call.url.searchParams);
    if (after !== null && !/^\d{1,9}$/.test(after)) {
      throw new WaybillError("REQUEST_INVALID", "cursor is not the `next` of an earlier page");
    }
    // One more than asked for tells whether there is a next page.
    const page = { limit: limit + 1, ...(after === null ? {} : { before: Number(after) }) };
    const ref = environmentRef(call);
    const rows = await release.history(ref, page);
    if (rows.length === 0 && after === null) await findEnvironment(release, ref);
    const snapshots = rows.slice(0, limit);
    const last = snapshots.at(-1);
    return json({ snapshots, next: last && rows.length > limit ? toCursor(String(last.number)) : null });
  },
});

const rollbackRoute = ({ release }: HttpDependencies): Route => ({
  method: "POST",
  path: `${root}/rollback`,
  audience: "member",
  voice: "api",
  summary: "Go back to an earlier snapshot; the environment is then on hold",
  body: "RollbackRequest",
  answer: { status: 200, schema: "SnapshotAnswer" },
  async handle(call) {
    const { to, only, note } = call.body as RollbackRequest;
    const request = {
      ...environmentRef(call),
      to: to ?? null,
      only: only ?? null,
      note: note ?? "",
      actor: actorOf(call),
    };
    return json({ snapshot: await release.rollback(request) });
  },
});

const holdRoutes = ({ release }: HttpDependencies): readonly Route[] => [
  {
    method: "POST",
    path: `${root}/hold`,
    audience: "member",
    voice: "api",
    summary: "Take no new snapshot until released",
    body: "HoldRequest",
    answer: { status: 200, schema: "EnvironmentAnswer" },
    async handle(call) {
      const { reason } = call.body as { reason?: string };
      const environment = await release.hold({ ...environmentRef(call), reason: reason ?? "", actor: actorOf(call) });
      return json({ environment });
    },
  },
  {
    method: "POST",
    path: `${root}/release`,
    audience: "member",
    voice: "api",
    summary: "End a hold, and let go what waits for a person",
    answer: { status: 200, schema: "EnvironmentAnswer" },
    async handle(call) {
      return json({ environment: await release.release({ ...environmentRef(call), actor: actorOf(call) }) });
    },
  },
];
