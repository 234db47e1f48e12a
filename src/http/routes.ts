import type { HttpDependencies } from "./dependencies.ts";
import type { Route } from "./route.ts";
import { deploymentRoutes } from "./api/deployments.ts";
import { environmentRoutes } from "./api/environments.ts";
import { eventRoutes } from "./api/events.ts";
import { transportRoutes } from "./api/git-transport.ts";
import { logRoutes } from "./api/logs.ts";
import { planRoutes } from "./api/plans.ts";
import { repositoryRoutes } from "./api/repositories.ts";
import { jobEventRoutes } from "./api/runs/events.ts";
import { runRoutes } from "./api/runs/runs.ts";
import { scheduleRoutes } from "./api/runs/schedules.ts";
import { secretRoutes } from "./api/secrets.ts";
import { serverRoutes } from "./api/server.ts";
import { stackRoutes } from "./api/stacks.ts";
import { tokenRoutes } from "./api/tokens.ts";
import { userRoutes } from "./api/users.ts";
import { doorRoutes } from "./door/routes.tsx";
import { openApiRoute } from "./openapi.ts";
import { pageRoutes } from "./pages/routes.tsx";

/** The one table of routes: the app, its description and the tests of who may call what are all made from it. */
export function routeTable(dependencies: HttpDependencies): readonly Route[] {
  const routes = [
    serverRoutes,
    repositoryRoutes,
    environmentRoutes,
    deploymentRoutes,
    logRoutes,
    planRoutes,
    runRoutes,
    scheduleRoutes,
    jobEventRoutes,
    secretRoutes,
    stackRoutes,
    tokenRoutes,
    userRoutes,
    eventRoutes,
    transportRoutes,
    pageRoutes,
    doorRoutes,
  ].flatMap((make) => make(dependencies));
  return [...routes, openApiRoute(routes)];
}
