import { existsSync, mkdirSync, rmSync } from "node:fs";
import { backoffMs } from "../../../core/waiting/backoff.ts";
import { asWaybillError, messageOf, WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { Secret } from "../../../core/secret.ts";
import type { WorkloadOf } from "../../../../templates/local/parts.ts";
import {
  isFiredByTarget,
  type Adopted,
  type RunExecutor,
  type RunOrder,
  type RunStartOptions,
  type StartedRun,
} from "../../run-executor.ts";
import { note, sizeOf } from "../../local/logs/log-file.ts";
import { readLog } from "../../local/logs/log-reader.ts";
import type { SecretValues } from "../../local/processes/environment.ts";
import { openOutput, runFolder, type RunFolder } from "../../local/runs/run-folder.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { referenceOf } from "../cluster/object.ts";
import { keepsOutput, refusals } from "../notices.ts";
import { namespaceOf } from "../names.ts";
import { barePlaceOf, revealed, sourceBase, type PlaceDependencies } from "../places.ts";
import type { MadeSources } from "../sources/made-source-provider.ts";
import { runKey } from "../sources/signature.ts";
import { awaitProgram, undo } from "./beginning.ts";
import { ClusterRun, keptRun } from "./cluster-run.ts";
import type { HandOvers } from "./hand-over.ts";
import { startedAtOf } from "./run-end.ts";
import { ownedBy, referenceTo, runObjects, type Keeper, type RunObjects } from "./run-objects.ts";
import { replacement } from "./replacement.ts";
import { makeRunSight, type RunSight, type RunView } from "./run-sight.ts";

export interface ClusterRunsDependencies extends PlaceDependencies {
  readonly cluster: Cluster;
  /** Holds a folder per run. */
  readonly folder: string;
  readonly handOvers: HandOvers;
  readonly sources: MadeSources;
  readonly log: Log;
}

/** Runs as Jobs of a cluster. */
export interface ClusterRuns extends RunExecutor {
  readonly sight: RunSight;
  /** Lets go of every run without touching it. */
  close(): Promise<void>;
}

interface Parts extends ClusterRunsDependencies {
  readonly sight: RunSight;
  readonly live: Set<ClusterRun>;
}

export function makeClusterRuns(dependencies: ClusterRunsDependencies): ClusterRuns {
  const { folder, cluster, clock, log } = dependencies;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const parts: Parts = { ...dependencies, sight: makeRunSight({ cluster, clock, log }), live: new Set() };
  return {
    sight: parts.sight,
    start: (order, options) => start(parts, order, options),
    adopt: (order, options) => adopt(parts, order, options),
    logs: (run, request) => readLog(runFolder(folder, run).log, request, clock),
    openFile: (run, path) => Promise.resolve(openOutput(runFolder(folder, run).output, path)),
    forget(run) {
      rmSync(runFolder(folder, run).path, { recursive: true, force: true });
      return Promise.resolve();
    },
    async close() {
      for (const run of parts.live) run.letGo();
      await Promise.all([...parts.live].map((run) => run.settled));
      await parts.sight.close();
    },
  };
}

async function start(parts: Parts, order: RunOrder, options: RunStartOptions): Promise<StartedRun> {
  const { settings, sources, folder, clock, log } = parts;
  const job = jobOf(order);
  const [refused] = refusals(order.workload, settings);
  if (refused !== undefined) throw new WaybillError("TARGET_UNSUPPORTED", `${job.spec.name}: ${refused}`);
  const place = barePlaceOf(parts, job);
  if (place.source?.made) await sources.ensure(place.source.made, options);
  const values = await valuesOf(parts, order);
  options.signal.throwIfAborted();
  const own = runFolder(folder, order.run);
  mkdirSync(own.path, { recursive: true, mode: 0o700 });
  const forgetLast = (): void => {
    rmSync(own.result, { force: true });
    rmSync(own.output, { recursive: true, force: true });
  };
  if (order.attempt > 1) note(own.log, clock.now(), `attempt ${order.attempt}`);
  const logStart = sizeOf(own.log);
  const objects = runObjects({ order, job, place, values, keeper: keeperOf(parts, order) });
  log.debug({ run: order.run, attempt: order.attempt }, "run prepared");
  try {
    await insist(parts, options, () => create(parts, objects, { signal: options.signal, beforeJob: forgetLast }));
  } catch (error) {
    await takeBack(parts, order, options.closing);
    throw error;
  }
  log.debug({ run: order.run, attempt: order.attempt }, "run created");
  return follow(parts, order, { folder: own, values, logStart, options });
}

async function adopt(parts: Parts, order: RunOrder, options: RunStartOptions): Promise<Adopted> {
  const { cluster, folder, log } = parts;
  const own = runFolder(folder, order.run);
  mkdirSync(own.path, { recursive: true, mode: 0o700 });
  const kept = keptRun(own.exit(order.attempt));
  if (kept) {
    await clear(parts, order);
    return { kind: "started", started: kept };
  }
  const reference = jobReference(order);
  // Whether it is wanted no more is asked when it is known what it is.
  const patient = { ...options, signal: options.closing };
  const found = await insist(parts, patient, () => cluster.get(reference, options.closing));
  if (!found && isFiredByTarget(order)) {
    const replaced = await insist(parts, patient, () => replacement(parts, order, options.closing));
    if (replaced) throw replaced;
    return { kind: "never started" };
  }
  if (!found) {
    // Should a start that was broken off be carried out yet, its pod cannot begin without these.
    await takeBack(parts, order, options.closing);
    options.closing.throwIfAborted();
    return { kind: "never started" };
  }
  log.info({ run: order.run, attempt: order.attempt }, "run adopted");
  // Only to redact them: a secret that is gone does not end what runs with it.
  const values = await valuesOf(parts, order).catch((error: unknown) => {
    log.warn({ run: order.run, error: messageOf(error) }, "secrets of an adopted run cannot be read");
    return new Map<string, Secret>();
  });
  return { kind: "started", started: await follow(parts, order, { folder: own, values, logStart: 0, options }) };
}

function jobOf({ workload }: RunOrder): WorkloadOf<"job"> {
  const { spec } = workload;
  if (spec.kind === "job") return { ...workload, spec };
  throw new WaybillError("BUG", `a run was ordered of ${spec.name}, which is a ${spec.kind}`);
}

function jobReference(order: RunOrder) {
  const namespace = namespaceOf(order.workload.stack);
  const own = isFiredByTarget(order) ? { namespace, name: order.run } : referenceTo(order, namespace);
  return { apiVersion: "batch/v1", kind: "Job", ...own };
}

/** The workload's own by name, parameters' by their variables. */
async function valuesOf({ secrets }: Parts, { workload, secrets: uses }: RunOrder): Promise<Map<string, Secret>> {
  const values = await revealed(secrets, workload);
  for (const { name, version, env } of uses) {
    if (env !== undefined) values.set(env, await secrets.reveal(workload.stack, name, version));
  }
  return values;
}

const day = 24 * 60 * 60 * 1_000;
// Of a run that may take as long as it likes.
const longestRunMs = 90 * day;
const keptWaitingMs = 7 * day;

function keeperOf({ settings, urls, host, clock }: Parts, order: RunOrder): Keeper | null {
  if (!keepsOutput(settings)) return null;
  const { node, python } = settings.runtimes;
  const { spec, stack } = jobOf(order);
  const lifeMs = (spec.timeoutSeconds === null ? longestRunMs : spec.timeoutSeconds * 1_000) + keptWaitingMs;
  const grant = { method: "PUT", repository: stack.repository, key: runKey(order) } as const;
  const url = new Secret(sourceBase(settings) + urls.sign(grant, new Date(clock.now().getTime() + lifeMs)));
  return { image: node ?? python ?? "", runtime: node === undefined ? "python" : "node", url, host };
}

interface Creating {
  readonly signal: AbortSignal;
  /** Whoever has come so far acts for this database. */
  readonly beforeJob: () => void;
}

/** The Secret first: a pod cannot begin without. A Job that is there already is left as it is. */
async function create(
  { cluster, log }: Parts,
  { secret, files, job }: RunObjects,
  { signal, beforeJob }: Creating,
): Promise<void> {
  const inputs = files ? [secret, files] : [secret];
  for (const object of inputs) await cluster.apply(object, { signal });
  log.debug({ name: job.metadata.name }, "run inputs made");
  beforeJob();
  const made = (await cluster.create(job, signal)) ?? (await cluster.get(referenceOf(job), signal));
  log.debug({ name: job.metadata.name }, "run job made");
  // Should nobody come to remove them, they go with the Job.
  if (made) for (const object of inputs) await cluster.apply(ownedBy(object, made), { signal });
}

/** A cluster that does not answer is waited for: nobody could say what became of what it was asked for. */
async function insist<Result>(
  { clock }: Pick<Parts, "clock">,
  { signal, onWaiting }: RunStartOptions,
  act: () => Promise<Result>,
): Promise<Result> {
  for (let failures = 1; ; failures += 1) {
    try {
      const result = await act();
      onWaiting(null);
      return result;
    } catch (thrown) {
      const error = asWaybillError(thrown);
      if (signal.aborted || error.verdict !== "transient" || error.code === "LEASE_LOST") throw thrown;
      onWaiting(`the cluster: ${error.message}`);
      await clock.sleep(backoffMs({ failures, firstMs: 1_000, maxMs: 15_000 }), signal);
    }
  }
}

interface Following {
  readonly folder: RunFolder;
  readonly values: SecretValues;
  readonly logStart: number;
  readonly options: RunStartOptions;
}

/** From the Job on: resolves once its program runs, or has run. */
async function follow(parts: Parts, order: RunOrder, { options, ...own }: Following): Promise<ClusterRun> {
  const { sight, cluster, live, settings, clock } = parts;
  const job = jobOf(order);
  const reference = jobReference(order);
  const stopSeconds = job.spec.stopTimeoutSeconds;
  // With its pods, which have their time to end in.
  const end = async (signal: AbortSignal): Promise<void> =>
    void (await cluster.delete(reference, { signal, propagation: "Foreground" }));
  const replacedBy = (signal: AbortSignal): Promise<WaybillError | null> => replacement(parts, order, signal);
  const followed = await sight.follow(reference, options.closing);
  try {
    await awaitProgram(parts, followed, { reference, options });
  } catch (error) {
    const replaced = options.signal.aborted ? null : await replacedBy(options.closing).catch(() => null);
    // What was begun goes on: the next server finds it.
    if (!options.closing.aborted) {
      await undo(followed, { end, clock, closing: options.closing, stopSeconds });
      await takeBack(parts, order, options.closing);
    }
    followed.release();
    throw replaced ?? error;
  }
  options.onWaiting(null);
  const run = new ClusterRun({
    ...parts,
    ...own,
    start: order,
    followed,
    startedAt: beganAt(followed.view()) ?? clock.now(),
    stopSeconds,
    isFired: isFiredByTarget(order),
    isKept: keepsOutput(settings) && !isFiredByTarget(order),
    end,
    replaced: (signal) => insist(parts, { ...options, signal }, () => replacedBy(signal)),
    clear: () => clear(parts, order),
  });
  live.add(run);
  void run.settled.then(() => live.delete(run));
  return run;
}

function beganAt({ pod, job }: RunView): Date | null {
  const startTime = job?.status?.startTime;
  return (pod && startedAtOf(pod)) ?? (startTime === undefined ? null : new Date(startTime));
}

const clearMs = 15_000;

/** Until it is done: what stays might yet run. A server that stops leaves it to the next. */
async function takeBack(parts: Parts, order: RunOrder, closing: AbortSignal): Promise<void> {
  for (let failures = 1; !closing.aborted && !(await clear(parts, order)); failures += 1) {
    await parts.clock.sleep(backoffMs({ failures, firstMs: 1_000, maxMs: 15_000 }), closing).catch(() => undefined);
  }
}

/** Answers whether it was done. What a CronJob has made stays as long as that says. Of a run that has ended, what stays goes by itself a day later. */
async function clear({ cluster, folder, log }: Parts, order: RunOrder): Promise<boolean> {
  if (isFiredByTarget(order)) return true;
  const job = jobOf(order);
  const reference = referenceTo(order, namespaceOf(job.stack));
  const signal = AbortSignal.timeout(clearMs);
  const own = runFolder(folder, order.run);
  if (existsSync(own.path)) rmSync(`${own.path}/left-${order.attempt}`, { recursive: true, force: true });
  try {
    await cluster.delete(jobReference(order), { signal });
    await cluster.delete({ apiVersion: "v1", kind: "Secret", ...reference }, { signal });
    if (Object.keys(job.spec.files).length > 0) {
      await cluster.delete({ apiVersion: "v1", kind: "ConfigMap", ...reference }, { signal });
    }
  } catch (error) {
    log.warn({ run: order.run, error: messageOf(error) }, "what a run has left in the cluster cannot be removed yet");
    return false;
  }
  return true;
}
