import { join } from "node:path";
import type { Clock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import { onlyServer, type Lease } from "../../core/lease.ts";
import type { Log } from "../../core/log.ts";
import { spawnHere, type Spawn } from "../../core/spawn.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Provider } from "../../engine/provider.ts";
import { program as jobProgram } from "../../../templates/local/job.ts";
import { program as serviceProgram } from "../../../templates/local/service.ts";
import { program as siteProgram } from "../../../templates/local/site.ts";
import { program as workerProgram } from "../../../templates/local/worker.ts";
import type { Ahead } from "../../release/deployer.ts";
import type { RouteTable, Traffic } from "../route.ts";
import { usualOutputBytes, type RunExecutor } from "../run-executor.ts";
import type { Sleeper } from "../sleep/keeper.ts";
import {
  restWords,
  type LogLine,
  type SecretReader,
  type TreeSource,
  type Workload,
  type WorkloadStatus,
} from "../workload.ts";
import { readLogs, type StackLogRequest } from "./logs/stack-logs.ts";
import { makeGarbageCollector } from "./garbage.ts";
import { makeHeadStart } from "./head-start.ts";
import { notices, refusals } from "./notices.ts";
import { searchPath } from "./processes/environment.ts";
import { Supervisor, type StatusChange } from "./processes/supervisor.ts";
import { makeLocalRuns } from "./runs/executor.ts";
import { makeProcessProvider, type IsOwned } from "./process-provider.ts";
import { makeRouteProvider } from "./route-provider.ts";
import { makeLocalSleeper } from "./sleeper.ts";
import { makeSourceProvider } from "./source-provider.ts";
import { Trees } from "./trees/trees.ts";

export interface LocalTargetDependencies {
  /** Holds source trees, and a folder per instance with its log. */
  readonly folder: string;
  readonly trees: TreeSource;
  readonly secrets: SecretReader;
  readonly routes: RouteTable;
  readonly traffic: Traffic;
  readonly isOwned: IsOwned;
  readonly clock: Clock;
  /** The right to act, of one of several servers; by default this is the only one. */
  readonly lease?: Pick<Lease, "confirm">;
  readonly log: Log;
  /** Who starts programs; by default this process. */
  readonly spawn?: Spawn;
  /** Of the files of one run so much is kept. */
  readonly runOutputBytes?: number;
}

/** Programs as processes of this machine. */
export interface LocalTarget {
  /** For the engine, by package name. */
  readonly providers: { readonly waybill: Provider };
  /** The Pulumi program of a workload; throws TARGET_UNSUPPORTED for what this target cannot run. */
  program(workload: Workload): () => Promise<Record<string, unknown>>;
  /** What the plan should say about this workload on this target, in the user's words. */
  notices(workload: Workload): readonly string[];
  /** Begins with what an apply of the workload will ask for. */
  prepare(workload: Workload, ahead: Ahead): void;
  /** How the stack's process is; null where none runs (a site, a job, paused, stopped). */
  status(stack: StackName): WorkloadStatus | null;
  readonly sleeper: Sleeper;
  /** What starts jobs' runs. */
  executor(): RunExecutor;
  /** Answers how to stop listening. */
  onStatus(listener: (change: StatusChange) => void): () => void;
  /** Oldest first; with `follow`, until the signal aborts. */
  logs(stack: StackName, request: StackLogRequest): AsyncIterable<LogLine>;
  /** At the start of the server, before any apply: takes over what runs. */
  adopt(): Promise<void>;
  /** Resolves when every replaced or removed process has drained and ended. */
  retired(): Promise<void>;
  /** At its end: programs run on, and are adopted by the next. */
  detach(): Promise<void>;
  /** At its end, taking the programs along. They start again with the next `adopt`. */
  stopAll(): Promise<void>;
}

export function makeLocalTarget(dependencies: LocalTargetDependencies): LocalTarget {
  const { folder, clock, log, secrets, routes, traffic, isOwned, spawn = spawnHere } = dependencies;
  const { lease = onlyServer, runOutputBytes: maxOutputBytes = usualOutputBytes } = dependencies;
  const trees = new Trees({
    folder: join(folder, "trees"),
    source: dependencies.trees,
    buildEnvironment: buildEnvironment(),
  });
  const common = { secrets, clock, lease, log, spawn };
  const sourceFolder = (key: string): string | null => trees.folderOf(key);
  const supervisor = new Supervisor({ ...common, folder: join(folder, "instances"), sourceFolder });
  const runs = makeLocalRuns({ ...common, folder: join(folder, "runs"), trees, maxOutputBytes });
  const rests = makeRests();
  const headStart = makeHeadStart({ folder: join(folder, "head-starts"), trees, supervisor, clock, log });
  const garbage = makeGarbageCollector({ trees, supervisor, runs, clock, log });
  const byType: Readonly<Record<string, Provider>> = {
    "waybill:local:Source": makeSourceProvider({ trees, clock, onUnused: () => garbage.collect() }),
    "waybill:local:Process": makeProcessProvider({ supervisor, traffic, log, isOwned, headStart, restOf: rests.of }),
    "waybill:local:Route": makeRouteProvider({ routes, clock }),
  };
  return {
    providers: { waybill: makePackageProvider(byType) },
    program(workload) {
      rests.note(workload);
      return chooseProgram(workload);
    },
    notices,
    prepare(workload, ahead) {
      if (refusals(workload).length === 0) headStart.begin(workload, ahead);
    },
    status: (stack) => supervisor.status(stack),
    sleeper: makeLocalSleeper(supervisor),
    executor: () => runs,
    onStatus: (listener) => supervisor.onStatus(listener),
    logs: (stack, request) => readLogs({ supervisor, trees, clock }, stack, request),
    async adopt() {
      await Promise.all([trees.cleanUp(), supervisor.adopt()]);
      await headStart.cleanUp();
      garbage.collect();
    },
    retired: () => supervisor.retired(),
    async detach() {
      await headStart.close();
      await Promise.all([supervisor.detach(), runs.detach()]);
      await garbage.settled();
    },
    async stopAll() {
      await headStart.close();
      await Promise.all([supervisor.stopAll(), runs.stopAll()]);
      await garbage.settled();
    },
  };
}

function chooseProgram(workload: Workload): () => Promise<Record<string, unknown>> {
  const { spec, pause } = workload;
  const [refused] = refusals(workload);
  const isResting = spec.state !== "running" || pause !== null;
  if (refused !== undefined && !isResting) throw new WaybillError("TARGET_UNSUPPORTED", `${spec.name}: ${refused}`);
  switch (spec.kind) {
    case "service":
      return serviceProgram({ ...workload, spec });
    case "worker":
      return workerProgram({ ...workload, spec });
    case "site":
      return siteProgram({ ...workload, spec });
    case "job":
      return jobProgram({ ...workload, spec });
    default:
      return spec satisfies never;
  }
}

/** Why nothing runs of a stack, as it was applied last: what is ended for it says so. */
function makeRests() {
  const reasons = new Map<string, string | null>();
  return {
    note: (workload: Workload): void => void reasons.set(stackKey(workload.stack), restWords(workload)),
    of: (stack: StackName): string | null => reasons.get(stackKey(stack)) ?? null,
  };
}

/** One provider for the package `waybill`: its resources by their type. */
function makePackageProvider(byType: Readonly<Record<string, Provider>>): Provider {
  const of = (type: string): Provider => {
    const provider = byType[type];
    if (provider) return provider;
    throw new WaybillError("TARGET_UNSUPPORTED", `the local target has no resources of the type ${type}`);
  };
  return {
    diff: async (request) => (await of(request.type).diff?.(request)) ?? { changes: false },
    create: async (request) => of(request.type).create(request),
    find: async (request) => (await of(request.type).find?.(request)) ?? null,
    read: async (request) => {
      const provider = of(request.type);
      return provider.read
        ? provider.read(request)
        : { id: request.id, outputs: request.outputs, inputs: request.inputs };
    },
    update: async (request) => of(request.type).update(request),
    delete: async (request) => of(request.type).delete(request),
    rewrites: (type) => byType[type]?.rewrites?.(type) === true,
  };
}

// How a build reaches the network, where a machine needs telling. Programs themselves get none of it.
const networkVariables = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "REQUESTS_CA_BUNDLE",
];

function buildEnvironment(): Readonly<Record<string, string>> {
  const inherited = networkVariables.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(inherited), PATH: searchPath(), LANG: "C.UTF-8", CI: "true" };
}
