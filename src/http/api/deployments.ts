import type { StackName } from "../../core/stack.ts";
import type { DeploymentView } from "../../release/views.ts";
import type { HttpDependencies } from "../dependencies.ts";
import type { Identity } from "../../core/identity.ts";
import { maySee } from "../../access/permission.ts";
import { WaybillError } from "../../core/errors.ts";
import { stackKey } from "../../core/stack.ts";
import { pageOf, pageQuery, readPage } from "../paging.ts";
import { actorOf, belongsTo, json, type Call, type Route } from "../route.ts";
import { environmentRef, nameParam } from "./environments.ts";

export const deploymentRoot = "/api/v1/repositories/:repository/environments/:environment/deployments/:name";

export const stackOf = (call: Call): StackName => ({ ...environmentRef(call), deployment: nameParam(call, "name") });

/** The deployments that an identity may see, of those that the filter lets through. */
export async function visibleDeployments(
  { release, accessRule }: HttpDependencies,
  identity: Identity,
  filter: { repository?: string; environment?: string; name?: string } = {},
): Promise<readonly DeploymentView[]> {
  const all = await release.deployments(filter);
  if (belongsTo(identity, "member")) return all;
  const rules = await Promise.all(all.map(({ name: deployment, ...ref }) => accessRule({ ...ref, deployment })));
  const visible = all.filter((_, index) => {
    const rule = rules[index];
    return rule ? maySee(identity, rule) : false;
  });
  // How it is set up is its members' to see, as its spec is.
  return visible.map((one) => ({ ...one, drift: [] }));
}

/** The one deployment; what an identity may not see does not exist for it. */
export async function visibleDeployment(
  dependencies: HttpDependencies,
  identity: Identity,
  stack: StackName,
): Promise<DeploymentView> {
  const { repository, environment, deployment: name } = stack;
  const [found] = await visibleDeployments(dependencies, identity, { repository, environment, name });
  if (!found) throw new WaybillError("NOT_FOUND", `there is no deployment ${stackKey(stack)} that you may see`);
  return found;
}

export function deploymentRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [...listRoutes(dependencies), specRoute(dependencies), ...actRoutes(dependencies)];
}

function listRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/api/v1/deployments",
      audience: "signed-in",
      voice: "api",
      summary: "List the deployments that you may see",
      query: {
        repository: { type: "string", description: "Only this repository's." },
        environment: { type: "string", description: "Only this environment's." },
        name: { type: "string", description: "Only those of this name." },
        ...pageQuery,
      },
      answer: { status: 200, schema: "DeploymentList" },
      async handle(call) {
        const rows = await visibleDeployments(dependencies, actorOf(call), readFilter(call.url.searchParams));
        const keyOf = (row: DeploymentView): string => `${row.repository}/${row.environment}/${row.name}`;
        const page = pageOf(rows, keyOf, readPage(call.url.searchParams));
        return json({ deployments: page.rows, next: page.next });
      },
    },
    {
      method: "GET",
      path: deploymentRoot,
      audience: "signed-in",
      voice: "api",
      summary: "One deployment",
      answer: { status: 200, schema: "DeploymentAnswer" },
      async handle(call) {
        return json({ deployment: await visibleDeployment(dependencies, actorOf(call), stackOf(call)) });
      },
    },
  ];
}

function readFilter(query: URLSearchParams): { repository?: string; environment?: string; name?: string } {
  const [repository, environment, name] = [query.get("repository"), query.get("environment"), query.get("name")];
  return { ...(repository && { repository }), ...(environment && { environment }), ...(name && { name }) };
}

const specRoute = (dependencies: HttpDependencies): Route => ({
  method: "GET",
  path: `${deploymentRoot}/spec`,
  audience: "member",
  voice: "api",
  summary: "The deployment without secrets: resolved as JSON, or its own file as YAML",
  query: { format: { type: "string", description: "json (by default) or yaml." } },
  answer: { status: 200, schema: "Spec" },
  async handle(call) {
    const stack = stackOf(call);
    const format = call.url.searchParams.get("format") ?? "json";
    if (format !== "json" && format !== "yaml") {
      throw new WaybillError("REQUEST_INVALID", `format is ${JSON.stringify(format.slice(0, 40))}, not json or yaml`);
    }
    await visibleDeployment(dependencies, actorOf(call), stack);
    const { release } = dependencies;
    const body =
      format === "json" ? `${JSON.stringify(await release.spec(stack), null, 2)}\n` : await release.file(stack);
    return new Response(body, {
      headers: {
        "content-type": format === "json" ? "application/json" : "application/yaml",
        "content-disposition": `attachment; filename="${stack.deployment}.${format}"`,
      },
    });
  },
});

function actRoutes(dependencies: HttpDependencies): readonly Route[] {
  const { release } = dependencies;
  const act = (name: string, summary: string, carryOut: (call: Call) => Promise<DeploymentView>): Route => ({
    method: "POST",
    path: `${deploymentRoot}/${name}`,
    audience: "member",
    voice: "api",
    summary,
    ...(name === "pause" ? { body: "PauseRequest" } : {}),
    answer: { status: 200, schema: "DeploymentAnswer" },
    async handle(call) {
      await visibleDeployment(dependencies, actorOf(call), stackOf(call));
      return json({ deployment: await carryOut(call) });
    },
  });
  const pauseReason = (call: Call): string => (call.body as { reason?: string }).reason ?? "";
  return [
    act("pause", "Pause: stopped until resumed, whatever is deployed meanwhile", (call) =>
      release.pause({ ...stackOf(call), reason: pauseReason(call), actor: actorOf(call) }),
    ),
    act("resume", "End a pause", (call) => release.resume({ ...stackOf(call), actor: actorOf(call) })),
    act("restart", "Start the same revision anew", (call) =>
      release.restart({ ...stackOf(call), actor: actorOf(call) }),
    ),
  ];
}
