import { randomUUID } from "node:crypto";
import { Hono, type Context } from "hono";
import type { Identity } from "../core/identity.ts";
import type { HttpDependencies } from "./dependencies.ts";
import { signInPath } from "../access/origin.ts";
import { asWaybillError, WaybillError } from "../core/errors.ts";
import { readJsonBody, refuseNulIn } from "./body.ts";
import { admit } from "./guard.ts";
import { securityHeaders } from "./headers.ts";
import { failurePage } from "./pages/failure.tsx";
import { gitProblemResponse, problemResponse } from "./problem-details.ts";
import { seeOther, type Call, type Route, type Voice } from "./route.ts";
import { routeTable } from "./routes.ts";

/** The API, the pages, Git's transport and webhooks as one app, made from the route table. */
export function makeHttpApp(dependencies: HttpDependencies): Hono {
  const app = new Hono();
  const headers = securityHeaders(dependencies.publicUrl);
  const finish = (response: Response): Response => withHeaders(response, headers);
  for (const route of routeTable(dependencies)) {
    app.on(route.method, route.path, async (context) => finish(await answer(dependencies, route, context)));
  }
  app.notFound(async (context) => {
    const { pathname } = new URL(context.req.url);
    const error = new WaybillError("NOT_FOUND", `there is nothing at ${context.req.method} ${pathname.slice(0, 200)}`);
    const visitor = await identify(dependencies, context.req.raw);
    return finish(
      await speak(voiceOf(pathname), { error, visitor, request: context.req.raw, requestId: requestIdOf(context) }),
    );
  });
  return app;
}

const voiceOf = (path: string): Voice => {
  if (path.startsWith("/git/")) return "git";
  return path.startsWith("/api/") ? "api" : "page";
};

/** The gateway numbers requests; one that came past it gets a number here. */
const requestIdOf = (context: Context): string => context.req.header("x-request-id")?.slice(0, 100) ?? randomUUID();

const identify = ({ access }: HttpDependencies, request: Request): Promise<Identity | null> =>
  access.authenticate(request.headers, request.headers.get("host") ?? new URL(request.url).host, request.method);

async function answer(dependencies: HttpDependencies, route: Route, context: Context): Promise<Response> {
  const request = context.req.raw;
  const requestId = requestIdOf(context);
  let visitor: Identity | null = null;
  try {
    // Nobody's identity is looked up for what everybody gets: a health check works without the database.
    if (route.audience !== "public") visitor = await identify(dependencies, request);
    admit(route, visitor, request);
    const url = new URL(request.url);
    refuseNulIn(url);
    const body = route.body === undefined ? undefined : await readJsonBody(request, { ...route, body: route.body });
    const call: Call = {
      request,
      url,
      visitor,
      body,
      param: (name) => context.req.param(name) ?? "",
    };
    return await route.handle(call);
  } catch (thrown) {
    const error = asWaybillError(thrown);
    if (error.verdict === "bug") {
      dependencies.log.error(
        { route: `${route.method} ${route.path}`, requestId, error },
        "a request failed by a defect",
      );
    }
    return await speak(route.voice, { error, visitor, request, requestId });
  }
}

interface Failure {
  readonly error: WaybillError;
  readonly visitor: Identity | null;
  readonly request: Request;
  readonly requestId: string;
}

function speak(voice: Voice, failure: Failure): Promise<Response> | Response {
  const { error, visitor, request, requestId } = failure;
  if (voice === "git") return gitProblemResponse(error, requestId);
  if (voice !== "page") return problemResponse(error, requestId);
  if (error.code === "SIGN_IN_REQUIRED") return seeOther(signInPathOf(request));
  return failurePage({ error, visitor, requestId });
}

/** What was asked for is shown after signing in; what was posted is not posted again. */
function signInPathOf(request: Request): string {
  const { pathname, search } = new URL(request.url);
  if (request.method !== "GET" || pathname === "/") return signInPath;
  return `${signInPath}?${new URLSearchParams({ return: pathname + search }).toString()}`;
}

function withHeaders(response: Response, headers: Readonly<Record<string, string>>): Response {
  const own = new Response(response.body, response);
  for (const [name, value] of Object.entries(headers)) own.headers.set(name, value);
  if (!own.headers.has("cache-control")) own.headers.set("cache-control", "no-store");
  return own;
}
