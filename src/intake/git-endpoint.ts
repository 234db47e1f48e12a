import type { Clock } from "../core/clock.ts";
import { asWaybillError, messageOf, WaybillError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import type { Log } from "../core/log.ts";
import { isName, repositoryName, type RepositoryName } from "../core/names.ts";
import { spawnHere, type Spawn } from "../core/spawn.ts";
import type { Git } from "../git/git.ts";
import { makeAdvertisements } from "./push/advertisements.ts";
import { makeBackends, type Route } from "./push/backends.ts";
import type { PushGate } from "./push-gate.ts";
import { makePushes } from "./push/pushes.ts";

export interface GitEndpoint {
  /** Serves `/git/NAME.git/…` to whoever `identity` is. Answers errors as text, which Git shows to the user. */
  handle(request: Request, identity: Identity): Promise<Response>;
  /** How many Git processes are at work. */
  running(): number;
  /** Ends all requests in progress; pushes that were accepted are told that the server stops. */
  close(): Promise<void>;
}

export type RepositoryAction = "read" | "push" | "create";

export interface GitEndpointOptions {
  readonly git: Git;
  readonly gate: PushGate;
  readonly authorise: (
    identity: Identity,
    action: RepositoryAction,
    repository: RepositoryName,
  ) => boolean | Promise<boolean>;
  /** A folder of our own; hooks of a repository never run. */
  readonly hooksFolder: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly maxConcurrent?: number;
  /** Who starts Git; by default this process. */
  readonly spawn?: Spawn;
}

const defaultBranch = "main";

export function makeGitEndpoint(options: GitEndpointOptions): GitEndpoint {
  const { git, gate, log, clock, maxConcurrent = 16, spawn = spawnHere } = options;
  const stopping = new AbortController();
  const advertisements = makeAdvertisements({ folder: git.folder, clock });
  const pushes = makePushes({ git, gate, log, clock, signal: stopping.signal });
  const backends = makeBackends({ ...options, maxConcurrent, spawn, advertisements, pushes, signal: stopping.signal });

  async function handle(request: Request, identity: Identity): Promise<Response> {
    try {
      const route = parseRoute(request);
      await admit(route, identity, options);
      const isAdvertised = route.isPush && route.isAdvertisement;
      const kept = isAdvertised ? advertisements.find(route.name, request.headers.get("git-protocol")) : null;
      return kept ?? (await backends.start({ request, identity, route }));
    } catch (thrown) {
      const error = asWaybillError(thrown);
      if (error.verdict === "bug") log.error({ error: messageOf(error) }, "git request failed");
      return answerError(error);
    }
  }

  return {
    handle,
    running: () => backends.running(),
    async close() {
      stopping.abort(new Error("the server stops"));
      await backends.stop();
    },
  };
}

const paths = /^\/git\/([^/]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/;

/** Only the smart protocol's three paths, only with their own methods and services. */
function parseRoute(request: Request): Route {
  const { pathname, searchParams } = new URL(request.url);
  const [, name = "", path = ""] = paths.exec(pathname) ?? [];
  if (!isName(name)) throw new WaybillError("NOT_FOUND", `there is no repository at ${pathname}`);
  const isAdvertisement = path === "info/refs";
  const service = isAdvertisement ? searchParams.get("service") : path;
  if (request.method !== (isAdvertisement ? "GET" : "POST")) {
    throw new WaybillError("REQUEST_INVALID", `${pathname} does not take ${request.method}`);
  }
  if (service !== "git-upload-pack" && service !== "git-receive-pack") {
    throw new WaybillError("FORBIDDEN", "only Git's smart protocol is served: use Git 1.6.6 or newer");
  }
  return {
    name: repositoryName(name),
    pathInfo: `/${name}.git/${path}`,
    isPush: service === "git-receive-pack",
    isAdvertisement,
  };
}

async function admit({ name, isPush }: Route, identity: Identity, options: GitEndpointOptions): Promise<void> {
  const { git, authorise } = options;
  if (!(await authorise(identity, "read", name))) throw new WaybillError("NOT_FOUND", `there is no repository ${name}`);
  const exists = git.exists(name);
  const action = isPush ? (exists ? "push" : "create") : "read";
  if (!(await authorise(identity, action, name))) {
    throw new WaybillError(
      "FORBIDDEN",
      `${identity.name} may not ${action} ${name}. Ask an administrator for the role.`,
    );
  }
  if (!exists) await create(name, isPush, git);
  if (isPush && (await git.open(name)).remoteUrl !== null) {
    throw new WaybillError("FORBIDDEN", `${name} is hosted elsewhere: push there, and it arrives here by itself`);
  }
}

async function create(name: RepositoryName, isPush: boolean, git: Git): Promise<void> {
  if (!isPush) throw new WaybillError("NOT_FOUND", `there is no repository ${name}. A push to it creates it.`);
  await git.createHosted(name, defaultBranch).catch((error: unknown) => {
    // Another first push was faster.
    if (!git.exists(name)) throw error;
  });
}

function answerError(error: WaybillError): Response {
  const message =
    error.verdict === "bug" ? "waybill: a defect in the server; its log says more" : `waybill: ${error.message}`;
  const headers = new Headers({ "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  if (error.retryAfterMs !== undefined) headers.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  return new Response(`${message}\n`, { status: error.httpStatus, headers });
}
