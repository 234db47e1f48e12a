import type { Clock } from "../core/clock.ts";
import { asWaybillError, messageOf, WaybillError } from "../core/errors.ts";
import type { Identity } from "../core/identity.ts";
import { makeSlots } from "../core/waiting/slots.ts";
import type { Log } from "../core/log.ts";
import { isName, repositoryName, type RepositoryName } from "../core/names.ts";
import { spawnHere, type Spawn } from "../core/spawn.ts";
import type { Git } from "../git/git.ts";
import type { GitSettings } from "../git/environment.ts";
import { busyWith } from "./busy.ts";
import { installHook, requireHook } from "./push/hook.ts";
import { findBackend, startBackend, type Backend } from "./push/http-backend.ts";
import type { PushGate } from "./push-gate.ts";
import { makePushes, type Pushes } from "./push/pushes.ts";

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

interface Route {
  readonly name: RepositoryName;
  readonly pathInfo: string;
  readonly isPush: boolean;
  /** The first of the two requests that a fetch or a push makes. */
  readonly isAdvertisement: boolean;
}

const defaultBranch = "main";
const maxWaiting = 256;
const maxPushBytes = 2 * 1024 ** 3;

export function makeGitEndpoint(options: GitEndpointOptions): GitEndpoint {
  const { git, gate, hooksFolder, log, clock, spawn = spawnHere } = options;
  const slots = makeSlots({
    running: options.maxConcurrent ?? 16,
    waiting: { most: maxWaiting, refusal: busyWith("Git requests") },
  });
  const running = new Set<Backend>();
  const stopping = new AbortController();
  const pushes = makePushes({ git, gate, log, clock, signal: stopping.signal });
  const settings = serverSettings(hooksFolder);
  let prepared: Promise<string> | undefined;

  function prepare(): Promise<string> {
    prepared ??= installHook(hooksFolder).then(findBackend);
    prepared.catch(() => (prepared = undefined));
    return prepared;
  }

  async function serve(request: Request, identity: Identity, route: Route): Promise<Response> {
    const program = await prepare();
    if (route.isPush) await requireHook(hooksFolder);
    const release = await slots.take();
    try {
      stopping.signal.throwIfAborted();
      const backend = startBackend(program, {
        request,
        settings,
        pathInfo: route.pathInfo,
        projectRoot: git.folder,
        user: identity.name,
        isPush: route.isPush && !route.isAdvertisement,
        spawn,
      });
      running.add(backend);
      void finish({ backend, pushes, identity, name: route.name, release }).finally(() => running.delete(backend));
      return await backend.response;
    } catch (error) {
      release();
      throw error;
    }
  }

  async function handle(request: Request, identity: Identity): Promise<Response> {
    try {
      const route = parseRoute(request);
      await admit(route, identity, options);
      return await serve(request, identity, route);
    } catch (thrown) {
      const error = asWaybillError(thrown);
      if (error.verdict === "bug") log.error({ error: messageOf(error) }, "git request failed");
      return answerError(error);
    }
  }

  return {
    handle,
    running: () => running.size,
    async close() {
      stopping.abort(new Error("the server stops"));
      for (const backend of running) backend.stop();
      await Promise.all([...running].map(({ ended }) => ended));
    },
  };
}

interface Finish {
  readonly backend: Backend;
  readonly pushes: Pushes;
  readonly identity: Identity;
  readonly name: RepositoryName;
  readonly release: () => void;
}

/** Sees a request to its end, whether or not its client still listens. */
async function finish({ backend, pushes, identity, name, release }: Finish): Promise<void> {
  const { push, ended } = backend;
  const served = push && pushes.serve({ ...push, identity, name, ended });
  await ended;
  // A push that waits for its deploy works no more: its slot is free for others.
  release();
  await served;
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

function serverSettings(hooksFolder: string): GitSettings {
  return [
    ["core.hooksPath", hooksFolder],
    ["http.receivepack", "true"],
    ["http.getanyfile", "false"],
    // A branch may be rewritten: what was deployed is held by tags, which may not.
    ["receive.denyNonFastForwards", "false"],
    // Nor does a deleted branch take anything away, the default one included.
    ["receive.denyDeleteCurrent", "ignore"],
    ["receive.maxInputSize", String(maxPushBytes)],
    ["receive.advertisePushOptions", "false"],
    // What mirrors remember of their remotes is nobody else's.
    ["transfer.hideRefs", "refs/waybill"],
    ["uploadpack.allowFilter", "true"],
  ];
}

function answerError(error: WaybillError): Response {
  const message =
    error.verdict === "bug" ? "waybill: a defect in the server; its log says more" : `waybill: ${error.message}`;
  const headers = new Headers({ "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
  if (error.retryAfterMs !== undefined) headers.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  return new Response(`${message}\n`, { status: error.httpStatus, headers });
}
