import type { Access } from "../access/access.ts";
import { mayDeploy } from "../access/permission.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import type { Spawn } from "../core/spawn.ts";
import { makeHttpApp } from "../http/app.ts";
import type { StackShelf } from "../http/dependencies.ts";
import { listen } from "../http/listen.ts";
import { makeGitEndpoint } from "../intake/git-endpoint.ts";
import { makePoller } from "../intake/poller.ts";
import { makeWebhookIntake } from "../intake/webhook.ts";
import { makeDeliveryStore } from "../store/deliveries.ts";
import type { RouteStore } from "../store/routes.ts";
import type { Target } from "../targets/target.ts";
import type { Secrets } from "../targets/secrets.ts";
import type { Endpoint } from "../gateway/mirror.ts";
import type { Runs } from "../runs/runs.ts";
import type { EventStore } from "../runs/triggers/event-store.ts";
import type { Events } from "../runs/triggers/events.ts";
import type { Base } from "./base.ts";
import type { Closers } from "./closers.ts";
import type { DataFolder } from "./data-folder.ts";
import { keepHouse } from "./housekeeping.ts";
import { makeRefMemory } from "./replicas/ref-memory.ts";
import { listenFor, notListening, type Replica } from "./replicas/replica.ts";
import { pollIntervalMs } from "./settings.ts";
import type { makeReleaseRoom } from "./release-room.ts";
import type { Sources } from "./targets/targets.ts";

interface DoorsParts {
  readonly base: Base;
  readonly folder: DataFolder;
  readonly replica: Replica | null;
  readonly access: Access;
  readonly routes: RouteStore;
  readonly secrets: Secrets;
  readonly target: Target;
  readonly sources: Sources;
  readonly stacks: StackShelf;
  readonly room: ReturnType<typeof makeReleaseRoom>;
  readonly runs: Runs;
  readonly events: Events;
  readonly eventStore: Pick<EventStore, "prune">;
  readonly clock: Clock;
  readonly log: Log;
  readonly spawn: Spawn;
  readonly closers: Closers;
  /** Aborted when the server stops. */
  readonly stopping: AbortController;
}

/** Every way in: Git, webhooks, polling, the API and the pages. Answers where the gateway is to send requests. */
export async function openDoors(parts: DoorsParts): Promise<Endpoint> {
  const { base, folder, clock, log, closers } = parts;
  const gitEndpoint = makeGitEndpoint({
    git: base.git,
    gate: parts.room.gate,
    authorise: (identity, action) => action === "read" || mayDeploy(identity),
    hooksFolder: folder.hooks,
    log,
    clock,
    spawn: parts.spawn,
  });
  closers.add(() => gitEndpoint.close());
  const deliveries = makeDeliveryStore(base.db);
  const webhooks = makeWebhookIntake({
    deliveries,
    secretFor: async (name) => (await base.remoteKeys.webhookSecrets(name)).map(({ secret }) => secret),
    look: async (name) => void (await parts.room.watcher.look(name)),
    log,
    clock,
  });
  closers.add(() => webhooks.close());
  const endpoint = await openHttp(parts, { gitEndpoint, webhooks });
  await webhooks.processPending();
  const housekeeping = keepHouse({ ...parts, deliveries, git: base.git }, parts.stopping.signal);
  closers.add(async () => {
    // Where what follows fails, nobody else has told it yet.
    parts.stopping.abort(new Error("the server is stopping"));
    await housekeeping;
  });
  startPolling(parts);
  return endpoint;
}

interface Entrances {
  readonly gitEndpoint: ReturnType<typeof makeGitEndpoint>;
  readonly webhooks: ReturnType<typeof makeWebhookIntake>;
}

async function openHttp(parts: DoorsParts, { gitEndpoint, webhooks }: Entrances): Promise<Endpoint> {
  const { base, access, routes, secrets, stacks, target, sources, room, runs, events, clock, log, closers, stopping } =
    parts;
  const app = makeHttpApp({
    release: room.release,
    runs,
    events,
    access,
    accessRule: async (stack) => (await routes.list(stack))[0]?.access ?? null,
    git: gitEndpoint,
    webhooks: {
      async receive(request, repository) {
        const { status, isRepeated } = await webhooks.receive(request, repository);
        return Response.json({ accepted: true, repeated: isRepeated }, { status });
      },
    },
    sources,
    logs: (stack, request) => target.logs(stack, request),
    secrets,
    stacks,
    clock,
    log,
    publicUrl: base.url,
    signal: stopping.signal,
  });
  // On a port of its own: the gateway is the only one that people reach.
  const { hostname, port, isReachable } = listenFor(process.env);
  const listening = await listen(app, { port, hostname }).catch((error: unknown) => {
    throw isReachable ? notListening(error) : error;
  });
  closers.add(() => listening.close());
  closers.add(() => stopping.abort(new Error("the server is stopping")));
  const endpoint = { hostname, port: listening.port };
  await routes.setEndpoint(endpoint);
  return endpoint;
}

function startPolling({ base: { git }, replica, room, clock, log, closers, stopping }: DoorsParts): void {
  const areOthers = makeRefMemory();
  const poller = makePoller({
    async repositories() {
      const all = await Promise.all((await git.list()).map((name) => git.open(name)));
      // Git, started by a server that another has replaced meanwhile, may still take a push here.
      return all.filter(({ remoteUrl }) => remoteUrl !== null || replica !== null).map(({ name }) => name);
    },
    async hasChanged(name, signal) {
      const repository = await git.open(name);
      if (repository.remoteUrl === null) return areOthers(name, await repository.refs());
      return repository.hasChanged(signal).catch((error: unknown) => {
        signal.throwIfAborted();
        log.debug({ repository: name, error: messageOf(error) }, "a remote did not answer");
        // The look fails in turn, and leaves the reason where people see it.
        return true;
      });
    },
    look: async (name) => void (await room.watcher.look(name)),
    clock,
    intervalMs: pollIntervalMs(process.env),
    log,
  });
  const polling = poller.run(stopping.signal);
  closers.add(async () => {
    stopping.abort(new Error("the server is stopping"));
    await polling;
  });
}
