import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { WaybillError } from "../../src/core/errors.ts";
import type { Lease } from "../../src/core/lease.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import { treeSha, type TreeSha } from "../../src/core/names.ts";
import { Secret } from "../../src/core/secret.ts";
import { stackKey, type StackName } from "../../src/core/stack.ts";
import type { CreateRequest, Properties, Provider } from "../../src/engine/provider.ts";
import type { Route, RouteTable, Traffic } from "../../src/targets/route.ts";
import type { IsOwned } from "../../src/targets/local/process-provider.ts";
import { makeLocalTarget, type LocalTarget } from "../../src/targets/local/target.ts";
import type { SecretReader, TreeSource } from "../../src/targets/workload.ts";

/** Routes in memory, keeping the contract of RouteTable. */
export function makeFakeRoutes(): RouteTable & { readonly rows: Map<string, Route> } {
  const rows = new Map<string, Route>();
  return {
    rows,
    put(route) {
      const holder = rows.get(route.host);
      if (holder && environmentOf(holder.stack) !== environmentOf(route.stack)) {
        return Promise.reject(new WaybillError("HOST_TAKEN", `${route.host} is held by ${stackKey(holder.stack)}`));
      }
      rows.set(route.host, route);
      return Promise.resolve();
    },
    restore(route) {
      const holder = rows.get(route.host);
      if (!holder || stackKey(holder.stack) === stackKey(route.stack)) rows.set(route.host, route);
      return Promise.resolve();
    },
    isAwaited: () => Promise.resolve(false),
    remove(host, stack) {
      const holder = rows.get(host);
      if (holder && stackKey(holder.stack) === stackKey(stack)) rows.delete(host);
      return Promise.resolve();
    },
  };
}

const environmentOf = ({ repository, environment }: StackName): string => `${repository}/${environment}`;

/** Trees by a number: their files are written as given. */
export function makeFakeTrees(): TreeSource & { add(files: Readonly<Record<string, string>>): TreeSha; made: number } {
  const trees = new Map<string, Readonly<Record<string, string>>>();
  return {
    made: 0,
    add(files) {
      const tree = treeSha((trees.size + 1).toString(16).padStart(40, "0"));
      trees.set(tree, files);
      return tree;
    },
    materialise(_repository, tree, folder, signal) {
      this.made += 1;
      signal.throwIfAborted();
      mkdirSync(folder);
      for (const [path, content] of Object.entries(trees.get(tree) ?? {})) {
        mkdirSync(dirname(join(folder, path)), { recursive: true });
        writeFileSync(join(folder, path), content);
      }
      return Promise.resolve();
    },
  };
}

export const noTraffic: Traffic = { drained: () => Promise.resolve(0) };

export const fakeSecrets = (values: Readonly<Record<string, string>>): SecretReader => ({
  reveal(_scope, name, version) {
    const value = values[`${name}@${version}`];
    return value === undefined
      ? Promise.reject(new WaybillError("SECRET_MISSING", `secret ${name} does not exist`))
      : Promise.resolve(new Secret(value));
  },
});

interface HarnessOptions {
  readonly folder?: string;
  readonly secrets?: SecretReader;
  readonly traffic?: Traffic;
  readonly isOwned?: IsOwned;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly lease?: Pick<Lease, "confirm">;
}

export interface LocalHarness extends AsyncDisposable {
  readonly folder: string;
  readonly target: LocalTarget;
  readonly trees: ReturnType<typeof makeFakeTrees>;
  readonly routes: ReturnType<typeof makeFakeRoutes>;
}

/** A local target on a temporary folder; disposing of it ends every process and removes the folder. */
export function makeLocalHarness(options: HarnessOptions = {}): LocalHarness {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "waybill-local-"));
  const trees = makeFakeTrees();
  const routes = makeFakeRoutes();
  const target = makeLocalTarget({
    folder,
    trees,
    routes,
    secrets: options.secrets ?? fakeSecrets({}),
    isOwned: options.isOwned ?? (() => Promise.resolve(true)),
    traffic: options.traffic ?? noTraffic,
    clock: options.clock ?? systemClock,
    log: options.log ?? silentLog,
    ...(options.lease && { lease: options.lease }),
  });
  return {
    folder,
    target,
    trees,
    routes,
    async [Symbol.asyncDispose]() {
      await target.stopAll();
      removeTree(folder);
    },
  };
}

/** Source trees are read-only: as another user than root they resist a plain removal. */
export function removeTree(folder: string): void {
  execFileSync("sh", ["-c", 'chmod -R u+w -- "$1" && rm -rf -- "$1"', "sh", folder]);
}

interface Call {
  readonly type: string;
  readonly name: string;
  readonly operationId?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (message: string) => void;
}

/** The context of a provider's call, as the engine would give it. */
export const callOf = ({ type, name, operationId, signal, onProgress }: Call): Omit<CreateRequest, "inputs"> => ({
  urn: `urn:pulumi:production--web::shop::${type}::${name}`,
  type,
  name,
  operationId: operationId ?? crypto.randomUUID(),
  signal: signal ?? new AbortController().signal,
  onProgress: onProgress ?? (() => undefined),
  secretPaths: [],
  preview: false,
});

export const providerOf = (target: LocalTarget): Provider => {
  const provider = target.providers["waybill"];
  if (!provider) throw new TypeError("the local target serves no package waybill");
  return provider;
};

export const processInputs = (changes: Properties): Properties => ({
  stack: { repository: "shop", environment: "production", deployment: "web" },
  kind: "service",
  workingDir: ".",
  startScript: null,
  command: "node server.js",
  env: {},
  secrets: [],
  ports: [8000],
  health: { path: null, timeoutSeconds: 5, protocol: "http" },
  startTimeoutSeconds: 10,
  stopTimeoutSeconds: 5,
  restart: null,
  ...changes,
});
