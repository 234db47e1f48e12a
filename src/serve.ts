import { makeAccess, type Access } from "./access/access.ts";
import { systemClock } from "./core/clock.ts";
import type { WaybillError } from "./core/errors.ts";
import type { Identity } from "./core/identity.ts";
import type { Lease } from "./core/lease.ts";
import type { Log } from "./core/log.ts";
import type { Secret } from "./core/secret.ts";
import type { Spawn } from "./core/spawn.ts";
import type { StackName } from "./core/stack.ts";
import type { Endpoint } from "./gateway/mirror.ts";
import type { Git } from "./git/git.ts";
import type { Watcher } from "./release/snapshots/watch.ts";
import { openBase, type Base } from "./server/base.ts";
import { makeClosers, type Closers } from "./server/closers.ts";
import { openDataFolder, type DataFolder } from "./server/data-folder.ts";
import { keepDrift } from "./server/drift.ts";
import { openDoors } from "./server/doors.ts";
import type { ServeOptions } from "./server/options.ts";
import { takeTurn } from "./server/replicas/acting.ts";
import { replicaOf, targetsFor, type Replica } from "./server/replicas/replica.ts";
import { makeReleaseRoom } from "./server/release-room.ts";
import { lateDeployRuns, openRuns } from "./server/runs-room.ts";
import { makeSpawner } from "./server/spawner/spawner.ts";
import { bootstrapToken, loadSettings } from "./server/settings.ts";
import { openTargets } from "./server/targets/targets.ts";
import type { SpecContext } from "./spec/context.ts";
import type { ServerSettings } from "./spec/server-settings.ts";
import { makeAccessStore } from "./store/access.ts";
import { makeReleaseStore } from "./store/release/release-store.ts";
import { followNotifications } from "./store/notifications.ts";
import { makeRouteStore } from "./store/routes.ts";
import { makeSecretStore } from "./store/secrets.ts";
import { makeSleepBook, sleepChannel } from "./store/sleep/book.ts";
import { makeSleepKeeper, type Sleeper, type SleepPlace } from "./targets/sleep/keeper.ts";
import { makeConcealment } from "./targets/concealment.ts";
import { makeSecrets } from "./targets/secrets.ts";

export interface RunningServer {
  readonly url: string;
  /** The link by which the first administrator signs in; null once there is one, or where another server acts. */
  readonly firstSignIn: Secret | null;
  /** Resolves with the reason when this server cannot go on: from then on it may change nothing. */
  readonly failed: Promise<WaybillError>;
  /** For whoever started the server: they hold its data, and so may do anything. */
  readonly operator: Operator;
  close(): Promise<void>;
}

export interface Operator {
  /** A link that signs in as the administrator `admin`, once. */
  signInLink(): Promise<Secret>;
  /** A new administrator's token. */
  token(name: string): Promise<Secret>;
}

/**
 * Starts every room, wired by hand, and answers once requests are served: by this server, or, where it is one of several,
 * by the one that acts. What was opened is closed in reverse order.
 */
export async function serve(options: ServeOptions, log: Log): Promise<RunningServer> {
  const closers = makeClosers();
  try {
    const settings = loadSettings(options.config);
    const replica = replicaOf(process.env);
    const folder = openDataFolder(options.data, replica);
    closers.add(() => folder.release());
    const { spawn, ...spawner } = makeSpawner(log);
    closers.add(() => spawner.close());
    const base = await openBase({ options, settings, folder, replica, log, spawn, closers });
    const parts = { options, settings, folder, replica, base, log, spawn, closers };
    const { firstSignIn, access, failed } = await takeTurn({ ...parts, start: (lease) => start({ ...parts, lease }) });
    return { url: base.url, firstSignIn, failed, operator: operatorOf(access), close: () => closers.closeAll() };
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

interface Start {
  readonly options: ServeOptions;
  readonly settings: ServerSettings;
  readonly folder: DataFolder;
  readonly replica: Replica | null;
  readonly base: Base;
  readonly log: Log;
  readonly spawn: Spawn;
  readonly closers: Closers;
}

async function start(parts: Start & { readonly lease: Lease }): Promise<{ access: Access; endpoint: Endpoint }> {
  const { settings, folder, base, log, spawn, closers } = parts;
  const clock = systemClock;
  const stopping = new AbortController();
  const routes = makeRouteStore(base.db);
  const secrets = makeSecrets({ store: makeSecretStore(base.db), cipher: base.cipher, clock });
  const store = makeReleaseStore(base.db);
  const { target, sleeperOf, deployer, sources, drift, stacks } = await openTargets({
    ...parts,
    routes,
    secrets,
    store,
  });
  const deployRuns = lateDeployRuns();
  const room = makeReleaseRoom({
    git: base.git,
    store,
    deployer,
    deployRuns: deployRuns.runs,
    secrets,
    remoteKeys: base.remoteKeys,
    context: contextOf(settings),
    isElsewhere: (name) => settings.targets[name]?.kind === "kubernetes",
    conceal: makeConcealment(secrets).of,
    clock,
    log,
    signal: stopping.signal,
  });
  closers.add(() => room.driver.close());
  closers.add(target.onStatus(({ stack, status }) => room.observe(stack, status)));
  await keepDrift({ drift, store, driver: room.driver, note: room.noteDrift, log, closers });
  const access = await openAccess(base, log);
  keepSleep(parts, { sleeperOf, isBusy: (stack) => room.driver.isBusy(stack), signal: stopping.signal });
  const { release } = room;
  const running = await openRuns({ base, target, secrets, release, log, closers, onDeployRuns: deployRuns.set });
  const ways = {
    base,
    folder,
    replica: parts.replica,
    access,
    routes,
    secrets,
    target,
    sources,
    stacks,
    room,
    ...running,
    clock,
    log,
    spawn,
    closers,
  };
  const endpoint = await openDoors({ ...ways, stopping });
  await lookAtAll(base.git, room.insistent, log);
  return { access, endpoint };
}

const openAccess = ({ db, origin }: Base, log: Log): Promise<Access> =>
  makeAccess({
    store: makeAccessStore(db),
    clock: systemClock,
    log,
    origin,
    bootstrapToken: bootstrapToken(process.env),
  });

const contextOf = (settings: ServerSettings): SpecContext => ({
  sizes: settings.sizes,
  targets: targetsFor(settings, process.env),
  defaultTarget: settings.defaultTarget,
  cronJobTargets: Object.entries(settings.targets).flatMap(([name, target]) =>
    target.kind === "kubernetes" && target.schedules === "cronJobs" ? [name] : [],
  ),
});

/** What changed while no server ran, and what a crash left half done, is found by looking. */
async function lookAtAll(git: Git, watcher: Pick<Watcher, "look">, log: Log): Promise<void> {
  for (const name of await git.list()) {
    watcher.look(name).catch((error: unknown) => log.warn({ repository: name, err: error }, "look failed"));
  }
}

/** Puts to sleep what nobody asks for, and wakes it for whoever does. */
function keepSleep(
  { base, log, closers }: Start,
  given: {
    sleeperOf: (place: SleepPlace) => Sleeper | null;
    isBusy: (stack: StackName) => boolean;
    signal: AbortSignal;
  },
): void {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, given.signal]);
  const keeper = makeSleepKeeper({
    book: makeSleepBook(base.db),
    quiet: base.traffic,
    sleeperOf: given.sleeperOf,
    isBusy: given.isBusy,
    clock: systemClock,
    log,
    signal,
  });
  const following = followNotifications(
    { url: base.databaseUrl, channel: sleepChannel, log },
    { onConnected: async () => keeper.look(), onNotification: () => keeper.look() },
    signal,
  );
  const running = keeper.run();
  closers.add(async () => {
    ended.abort(new Error("the server is stopping"));
    await Promise.all([running, following]);
  });
}

const operator: Identity = { name: "operator", kind: "token", role: "admin", groups: [] };

function operatorOf(access: Promise<Access>): Operator {
  return {
    signInLink: async () => (await (await access).invite(operator, { user: "admin", role: "admin" })).url,
    token: async (name) => (await (await access).createToken(operator, { name, role: "admin" })).secret,
  };
}
