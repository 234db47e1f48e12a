import type { Identity } from "../../core/identity.ts";
import { messageOf } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { RepositoryName } from "../../core/names.ts";
import { makeSlots } from "../../core/waiting/slots.ts";
import type { Spawn } from "../../core/spawn.ts";
import type { GitSettings } from "../../git/environment.ts";
import type { Git } from "../../git/git.ts";
import { busyWith } from "../busy.ts";
import type { Advertisements } from "./advertisements.ts";
import { installHook, requireHook } from "./hook.ts";
import { findBackend, startBackend, type Backend } from "./http-backend.ts";
import type { Pushes } from "./pushes.ts";

/** Git's processes that answer requests, each followed to its end. */
export interface Backends {
  /** Answers an admitted request. */
  start(admitted: Admitted): Promise<Response>;
  running(): number;
  /** Ends all that run. */
  stop(): Promise<void>;
}

export interface Admitted {
  readonly request: Request;
  readonly identity: Identity;
  readonly route: Route;
}

export interface Route {
  readonly name: RepositoryName;
  readonly pathInfo: string;
  readonly isPush: boolean;
  /** The first of the two requests that a fetch or a push makes. */
  readonly isAdvertisement: boolean;
}

interface BackendsParts {
  readonly git: Pick<Git, "folder">;
  readonly hooksFolder: string;
  readonly pushes: Pushes;
  readonly advertisements: Pick<Advertisements, "ask">;
  readonly maxConcurrent: number;
  readonly spawn: Spawn;
  readonly log: Log;
  /** Aborted when the server stops. */
  readonly signal: AbortSignal;
}

const maxWaiting = 256;
const maxPushBytes = 2 * 1024 ** 3;

export function makeBackends(parts: BackendsParts): Backends {
  const { git, hooksFolder, pushes, advertisements, maxConcurrent, spawn, log, signal } = parts;
  const slots = makeSlots({ running: maxConcurrent, waiting: { most: maxWaiting, refusal: busyWith("Git requests") } });
  const running = new Set<Backend>();
  const settings = serverSettings(hooksFolder);
  let prepared: Promise<string> | undefined;

  function prepare(): Promise<string> {
    prepared ??= installHook(hooksFolder).then(findBackend);
    prepared.catch(() => (prepared = undefined));
    return prepared;
  }

  /** Sees a request to its end, whether or not its client still listens. */
  async function finish(backend: Backend, { identity, route: { name } }: Admitted, release: () => void): Promise<void> {
    const { push, ended } = backend;
    const served = push && pushes.serve({ ...push, identity, name, ended });
    await ended;
    // A push that waits for its deploy works no more: its slot is free for others.
    release();
    try {
      await served;
    } finally {
      running.delete(backend);
    }
  }

  async function start(admitted: Admitted): Promise<Response> {
    const { request, identity, route } = admitted;
    const isPush = route.isPush && !route.isAdvertisement;
    const program = await prepare();
    if (route.isPush) await requireHook(hooksFolder);
    const release = await slots.take();
    try {
      signal.throwIfAborted();
      const { pathInfo } = route;
      const call = { request, settings, pathInfo, projectRoot: git.folder, user: identity.name, isPush, spawn };
      const backend = startBackend(program, call);
      running.add(backend);
      void finish(backend, admitted, release).then(() => (isPush ? advertiseNext(admitted) : undefined));
      return await backend.response;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** A push has changed what the next one is told first. */
  async function advertiseNext({ request: { url }, identity, route }: Admitted): Promise<void> {
    if (signal.aborted) return;
    const { name } = route;
    const request = new Request(new URL("info/refs?service=git-receive-pack", url));
    const next = { request, identity, route: { ...route, pathInfo: `/${name}.git/info/refs`, isAdvertisement: true } };
    await advertisements
      .ask(name, () => start(next))
      .catch((error: unknown) => log.debug({ repository: name, error: messageOf(error) }, "nothing advertised ahead"));
  }

  return {
    start,
    running: () => running.size,
    async stop() {
      for (const backend of running) backend.stop();
      await Promise.all([...running].map(({ ended }) => ended));
    },
  };
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
