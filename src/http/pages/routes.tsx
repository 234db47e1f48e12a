import type { HttpDependencies } from "../dependencies.ts";
import type { Identity } from "../../core/identity.ts";
import type { StackName } from "../../core/stack.ts";
import type { DeploymentView, SnapshotView } from "../../release/views.ts";
import { stackOf, visibleDeployment, visibleDeployments } from "../api/deployments.ts";
import { environmentRef, findEnvironment } from "../api/environments.ts";
import { assetRoute } from "../assets/assets.ts";
import { actorOf, belongsTo, type Call, type Route } from "../route.ts";
import { actRoutes } from "./acts.ts";
import { DeploymentPage, type DeploymentPageProps } from "./deployment.tsx";
import { EnvironmentPage } from "./environment.tsx";
import { Home, readHomeFilter } from "./home.tsx";
import { page } from "./layout.tsx";
import { lastLines } from "./log.tsx";
import { jobActRoutes } from "./runs/acts.ts";
import { lookAtJob } from "./runs/looks.ts";
import { quickRunRoutes } from "./quick-run/routes.tsx";
import { runPageRoutes } from "./runs/routes.tsx";

const historyLength = 50;

const html = { answer: { status: 200, mediaType: "text/html" }, voice: "page", method: "GET" } as const;

export function pageRoutes(dependencies: HttpDependencies): readonly Route[] {
  return [
    {
      ...html,
      path: "/",
      audience: "signed-in",
      summary: "The deployments that you may see",
      handle: (call) => homePage(dependencies, call),
    },
    {
      ...html,
      path: "/deployments/:repository/:environment/:name",
      audience: "signed-in",
      summary: "A deployment's page",
      handle: (call) => deploymentPage(dependencies, call),
    },
    {
      ...html,
      path: "/environments/:repository/:environment",
      audience: "member",
      summary: "An environment's page",
      handle: (call) => environmentPage(dependencies, call),
    },
    ...runPageRoutes(dependencies),
    ...quickRunRoutes(dependencies),
    ...actRoutes(dependencies),
    ...jobActRoutes(dependencies),
    assetRoute,
  ];
}

async function homePage(dependencies: HttpDependencies, call: Call): Promise<Response> {
  const visitor = actorOf(call);
  const mayAct = belongsTo(visitor, "member");
  const { release } = dependencies;
  const [deployments, environments, repositories] = await Promise.all([
    visibleDeployments(dependencies, visitor),
    mayAct ? release.environments() : [],
    mayAct ? release.repositories() : [],
  ]);
  const filter = readHomeFilter(call.url.searchParams);
  const props = { visitor, mayAct, deployments, environments, repositories, filter };
  return page(<Home {...props} now={dependencies.clock.now()} publicUrl={dependencies.publicUrl} />);
}

async function deploymentPage(dependencies: HttpDependencies, call: Call): Promise<Response> {
  const visitor = actorOf(call);
  const deployment = await visibleDeployment(dependencies, visitor, stackOf(call));
  const inside = await lookInside(dependencies, visitor, deployment, stackOf(call));
  return page(
    <DeploymentPage visitor={visitor} deployment={deployment} now={dependencies.clock.now()} inside={inside} />,
  );
}

async function lookInside(
  dependencies: HttpDependencies,
  visitor: Identity,
  { repository, environment, name, kind }: DeploymentView,
  stack: StackName,
): Promise<DeploymentPageProps["inside"]> {
  if (!belongsTo(visitor, "member")) return null;
  const { release } = dependencies;
  const [environments, snapshots, log, job] = await Promise.all([
    release.environments(repository),
    release.history({ repository, environment }, { limit: historyLength, only: name }),
    lastLines(dependencies.log, (request) => dependencies.logs(stack, request)),
    kind === "job" ? lookAtJob(dependencies.runs, stack) : null,
  ]);
  return {
    environment: environments.find((one) => one.environment === environment) ?? null,
    snapshots: snapshots.map((snapshot) => ownChanges(snapshot, name)).filter(isOfInterest),
    log,
    job,
  };
}

const ownChanges = (snapshot: SnapshotView, name: string): SnapshotView => ({
  ...snapshot,
  changes: snapshot.changes.filter((change) => change.name === name && change.action !== "unchanged"),
});

/** In a deployment's own history: what changed it, and what is active now. */
const isOfInterest = ({ active, changes }: SnapshotView): boolean => active || changes.length > 0;

async function environmentPage({ release, clock }: HttpDependencies, call: Call): Promise<Response> {
  const ref = environmentRef(call);
  const environment = await findEnvironment(release, ref);
  const snapshots = await release.history(ref, { limit: historyLength });
  return page(
    <EnvironmentPage visitor={actorOf(call)} environment={environment} snapshots={snapshots} now={clock.now()} />,
  );
}
