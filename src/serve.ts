import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeAccess } from "./access/access.ts";
import { mayDeploy } from "./access/permission.ts";
import { bareUrl, workloadUrl } from "./access/origin.ts";
import { makeCipher } from "./core/cipher.ts";
import { systemClock } from "./core/clock.ts";
import type { Log } from "./core/log.ts";
import { repositoryName } from "./core/names.ts";
import { packageRoot } from "./core/package-root.ts";
import type { Secret } from "./core/secret.ts";
import { makeEngine } from "./engine/engine.ts";
import { defaultOrigin, ensureGateway } from "./gateway/launch.ts";
import { makeGit } from "./git/git.ts";
import { makeHttpApp } from "./http/app.ts";
import { listen } from "./http/listen.ts";
import { makeGitEndpoint } from "./intake/git-endpoint.ts";
import { makePoller } from "./intake/poller.ts";
import { makeWebhookIntake } from "./intake/webhook.ts";
import { openDataFolder, type DataFolder } from "./server/data-folder.ts";
import type { ServeOptions } from "./server/options.ts";
import { makeReleaseRoom } from "./server/release-room.ts";
import { bootstrapToken, loadSettings } from "./server/settings.ts";
import { makeAccessStore } from "./store/access.ts";
import { openDatabase } from "./store/database.ts";
import { makeDeliveryStore } from "./store/deliveries.ts";
import { startEmbeddedPostgres } from "./store/embedded-postgres.ts";
import { makeReleaseStore } from "./store/release.ts";
import { makeRemoteKeys } from "./store/remote-keys.ts";
import { makeRouteStore } from "./store/routes.ts";
import { makeSecretStore } from "./store/secrets.ts";
import { makeStackStore } from "./store/stacks.ts";
import { makeEngineDeployer } from "./targets/engine-deployer.ts";
import { makeLocalTarget } from "./targets/local/target.ts";
import { makeSecrets } from "./targets/secrets.ts";

export interface RunningServer {
  readonly url: string;
  /** The link by which the first administrator signs in; null once there is one. */
  readonly firstSignIn: Secret | null;
  close(): Promise<void>;
}

const pollIntervalMs = 30_000;

/** Starts every room, wired by hand, and answers once requests are served. What was opened is closed in reverse order. */
export async function serve(options: ServeOptions, log: Log): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const settings = loadSettings(options.config);
    const folder = openDataFolder(options.data);
    closers.push(() => folder.release());
    return { ...(await start({ options, settings, folder, log, closers })), close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface Start {
  readonly options: ServeOptions;
  readonly settings: ReturnType<typeof loadSettings>;
  readonly folder: DataFolder;
  readonly log: Log;
  readonly closers: (() => Promise<void> | void)[];
}

async function start({ options, settings, folder, log, closers }: Start): Promise<Omit<RunningServer, "close">> {
  const clock = systemClock;
  const stopping = new AbortController();
  const databaseUrl = await findDatabase(folder, closers);
  const { db, close } = await openDatabase(databaseUrl);
  closers.push(close);

  const origin = settings.domain === undefined ? defaultOrigin(options.port) : publicOrigin(settings.domain);
  const cipher = makeCipher(folder.key);
  const routes = makeRouteStore(db);
  const remoteKeys = makeRemoteKeys(db, cipher);
  const secrets = makeSecrets({ store: makeSecretStore(db), cipher, clock });
  const git = makeGit({
    folder: folder.repositories,
    log,
    credentialsFor: (name) => remoteKeys.credentials(name),
  });
  closers.push(() => git.close());

  const gateway = await ensureGateway({
    dataFolder: folder.path,
    port: options.port,
    databaseUrl,
    version: packageVersion(),
    log,
    origin,
  });
  closers.push(() => (options.stopWorkloads ? gateway.stop() : gateway.release()));

  const target = makeLocalTarget({
    folder: folder.workloads,
    trees: {
      materialise: async (repository, tree, to, signal) =>
        (await git.open(repositoryName(repository))).materialise(tree, to, signal),
    },
    secrets,
    routes,
    traffic: gateway.traffic,
    clock,
    log,
  });
  const engine = makeEngine({ providers: target.providers, state: makeStackStore(db), secrets: cipher, clock, log });
  closers.push(() => engine.close());
  await target.adopt();
  closers.push(() => (options.stopWorkloads ? target.stopAll() : target.detach()));

  const { driver, watcher, gate, observe, release } = makeReleaseRoom({
    git,
    store: makeReleaseStore(db),
    deployer: makeEngineDeployer({ engine, target, urlOf: (host) => workloadUrl(origin, host) }),
    secrets,
    remoteKeys,
    context: { sizes: settings.sizes, targets: Object.keys(settings.targets) },
    clock,
    log,
    signal: stopping.signal,
  });
  closers.push(() => driver.close());
  closers.push(target.onStatus(({ stack, status }) => observe(stack, status)));

  const access = await makeAccess({
    store: makeAccessStore(db),
    clock,
    log,
    origin,
    bootstrapToken: bootstrapToken(process.env),
  });
  const gitEndpoint = makeGitEndpoint({
    git,
    gate,
    authorise: (identity, action) => action === "read" || mayDeploy(identity),
    hooksFolder: folder.hooks,
    log,
    clock,
  });
  closers.push(() => gitEndpoint.close());
  const look = async (name: string): Promise<void> => void (await watcher.look(name));
  const webhooks = makeWebhookIntake({
    deliveries: makeDeliveryStore(db),
    secretFor: (name) => remoteKeys.webhookSecrets(name),
    look,
    log,
    clock,
  });
  closers.push(() => webhooks.close());

  const app = makeHttpApp({
    release,
    access,
    accessRule: async (stack) => (await routes.list(stack))[0]?.access ?? null,
    git: gitEndpoint,
    webhooks: {
      receive: async (request, repository) => {
        const { status, isRepeated } = await webhooks.receive(request, repository);
        return Response.json({ accepted: true, repeated: isRepeated }, { status });
      },
    },
    logs: (stack, request) => target.logs(stack, request),
    secrets,
    clock,
    log,
    publicUrl: bareUrl(origin),
    signal: stopping.signal,
  });
  const listening = await listen(app, { port: 0, hostname: "127.0.0.1" });
  closers.push(() => listening.close());
  closers.push(() => stopping.abort(new Error("the server is stopping")));
  await routes.setEndpoint({ hostname: "127.0.0.1", port: listening.port });

  const names = await git.list();
  for (const name of names) {
    void watcher.look(name).catch((error: unknown) => log.warn({ repository: name, err: error }, "look failed"));
  }
  await webhooks.processPending();
  const poller = makePoller({
    repositories: async () => {
      const all = await git.list();
      const open = await Promise.all(all.map((name) => git.open(name)));
      return open.filter(({ isMirror }) => isMirror).map(({ name }) => name);
    },
    hasChanged: async (name, signal) => (await git.open(name)).hasChanged(signal),
    look,
    clock,
    intervalMs: Number(process.env["WAYBILL_POLL_INTERVAL_MS"] ?? pollIntervalMs),
    log,
  });
  const polling = poller.run(stopping.signal);
  closers.push(async () => {
    stopping.abort(new Error("the server is stopping"));
    await polling;
  });
  return { url: bareUrl(origin), firstSignIn: await access.firstAdministratorLink() };
}

/** `DATABASE_URL`, or a PostgreSQL of our own in the data folder. */
async function findDatabase(folder: DataFolder, closers: Start["closers"]): Promise<string> {
  const given = process.env["DATABASE_URL"];
  if (given !== undefined && given !== "") return given;
  const embedded = await startEmbeddedPostgres(folder.postgres);
  closers.push(() => embedded.stop());
  return embedded.url;
}

const publicOrigin = (domain: string) => ({ scheme: "https" as const, domain });

function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}
