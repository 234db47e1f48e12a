import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { sourceArgs } from "../../../../templates/local/parts.ts";
import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { Spawn } from "../../../core/spawn.ts";
import type { Adopted, RunExecutor, RunOrder, RunStartOptions } from "../../run-executor.ts";
import type { SecretReader } from "../../workload.ts";
import { note, sizeOf } from "../logs/log-file.ts";
import { readLog } from "../logs/log-reader.ts";
import { prepareEnvironment, revealSecrets, workingFolder, type SecretValues } from "../processes/environment.ts";
import { installWrapper, launch, settleClaim, watch, type Claim, type StartedProcess } from "../processes/launch.ts";
import { ageMs } from "../processes/process-table.ts";
import { requestOf } from "../source-provider.ts";
import type { KeptTree, Trees } from "../trees.ts";
import { LocalRun } from "./local-run.ts";
import { makeRunKeeper, type RunKeeper } from "./keeper.ts";
import { openOutput, runFolder, type RunFolder } from "./run-folder.ts";
import { makeTreeUses, type TreeUses } from "./tree-uses.ts";

export interface LocalRunsDependencies {
  /** Holds a folder per run. */
  readonly folder: string;
  readonly trees: Pick<Trees, "ensure" | "folderOf">;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly spawn: Spawn;
  readonly maxOutputBytes: number;
}

/** Runs as processes of this machine. */
export interface LocalRuns extends RunExecutor {
  /** Keys of the source trees that started runs use, over restarts of the server too. */
  treesInUse(): ReadonlySet<string>;
  /** Lets go of every process without touching it. */
  detach(): Promise<void>;
  /** Ends every process. */
  stopAll(): Promise<void>;
}

export function makeLocalRuns(dependencies: LocalRunsDependencies): LocalRuns {
  const { clock, log } = dependencies;
  const runs = join(dependencies.folder, "runs");
  mkdirSync(runs, { recursive: true, mode: 0o700 });
  const wrapper = installWrapper(dependencies.folder);
  const uses = makeTreeUses(join(dependencies.folder, "trees-in-use"), wrapper);
  const keeper = makeRunKeeper({ clock, log });
  const parts = { ...dependencies, wrapper, keeper, runs, uses };
  return {
    start: (order, options) => start(parts, order, options),
    adopt: (order) => adopt(parts, order),
    logs: (run, request) => readLog(runFolder(runs, run).log, request, clock),
    openFile: (run, path) => Promise.resolve(openOutput(runFolder(runs, run).output, path)),
    forget: (run) => rm(runFolder(runs, run).path, { recursive: true, force: true }),
    treesInUse: () => uses.trees(),
    detach: () => keeper.close(),
    async stopAll() {
      await Promise.all(keeper.live().map((run) => run.stop("the server was stopped, and took its programs along")));
      await keeper.close();
    },
  };
}

interface Parts extends LocalRunsDependencies {
  readonly wrapper: string;
  readonly keeper: RunKeeper;
  readonly runs: string;
  readonly uses: TreeUses;
}

async function start(parts: Parts, order: RunOrder, options: RunStartOptions): Promise<LocalRun> {
  const { clock, log, spawn, wrapper, secrets, runs } = parts;
  const folder = runFolder(runs, order.run);
  const tree = await ensureTree(parts, order, options);
  const subject = subjectOf(order, folder, tree.key);
  const values = await revealSecrets(subject, secrets);
  options.signal.throwIfAborted();
  mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  // Written before anything runs from it: whoever tidies up must see it.
  parts.uses.begin(order.run, tree.key);
  rmSync(folder.result, { force: true });
  rmSync(folder.output, { recursive: true, force: true });
  mkdirSync(folder.output, { mode: 0o700 });
  const env = prepareEnvironment(subject, folder, values);
  const cwd = workingFolder(subject, () => tree.folder);
  if (order.attempt > 1) note(folder.log, clock.now(), `attempt ${order.attempt}`);
  const logStart = sizeOf(folder.log);
  const { startScript } = subject.spec;
  const paths = { claim: folder.claim(order.attempt), exit: folder.exit(order.attempt), log: folder.log };
  log.debug({ run: order.run, attempt: order.attempt }, "run prepared");
  const startedAt = clock.now();
  const process = await launch(
    { wrapper, spawn, clock },
    { ...paths, cwd, env, startScript, command: order.command ?? "" },
  );
  log.debug({ run: order.run, attempt: order.attempt, pid: process.pid }, "run spawned");
  return started(parts, order, { folder, process, values, logStart, startedAt });
}

interface Starting {
  readonly folder: RunFolder;
  readonly process: StartedProcess;
  readonly values: SecretValues;
  readonly logStart: number;
  readonly startedAt: Date;
}

function started(parts: Parts, order: RunOrder, starting: Starting): LocalRun {
  const { keeper, clock, uses } = parts;
  const run = new LocalRun({
    ...starting,
    id: order.run,
    exit: starting.folder.exit(order.attempt),
    clock,
    maxOutputBytes: parts.maxOutputBytes,
    graceMs: specOf(order).stopTimeoutSeconds * 1_000,
    onEnded(ended) {
      keeper.drop(ended);
      rmSync(starting.folder.private, { recursive: true, force: true });
      uses.end(order.run);
    },
  });
  keeper.add(run);
  return run;
}

async function adopt(parts: Parts, order: RunOrder): Promise<Adopted> {
  const { clock, log, runs, secrets } = parts;
  const folder = runFolder(runs, order.run);
  mkdirSync(folder.path, { recursive: true, mode: 0o700 });
  const paths = { claim: folder.claim(order.attempt), exit: folder.exit(order.attempt) };
  const claim = await settleClaim(paths, clock);
  if (claim.kind === "never started") return claim;
  const startedAt = startOf(claim, paths.claim, clock);
  // Only to redact them: a secret that is gone does not end what runs with it.
  const values = await revealSecrets(subjectOf(order, folder, ""), secrets).catch((error: unknown) => {
    log.warn({ run: order.run, error: messageOf(error) }, "secrets of an adopted run cannot be read");
    return new Map();
  });
  const process: StartedProcess =
    claim.kind === "running"
      ? watch(claim.process, paths.exit, clock)
      : { pid: claim.pid, hasEnded: () => true, ended: () => Promise.resolve(claim.exit) };
  if (claim.kind === "running") {
    log.info({ run: order.run, pid: process.pid }, "run adopted");
    note(folder.log, clock.now(), "adopted by a new server process");
  }
  return { kind: "started", started: started(parts, order, { folder, process, values, logStart: 0, startedAt }) };
}

/** By the clock as it is now: a timeout counts from there. */
function startOf(claim: Claim, path: string, clock: Clock): Date {
  const age = claim.kind === "running" ? ageMs(claim.process) : null;
  if (age !== null) return new Date(clock.now().getTime() - age);
  return statSync(path, { throwIfNoEntry: false })?.mtime ?? clock.now();
}

async function ensureTree({ trees }: Parts, order: RunOrder, options: RunStartOptions): Promise<KeptTree> {
  const { workload } = order;
  if (workload.source === null || order.command === null) {
    throw new WaybillError("TARGET_UNSUPPORTED", `${workload.spec.name}: the local target runs programs from source`);
  }
  const request = requestOf(sourceArgs({ ...workload, spec: specOf(order) }));
  const kept = await trees.ensure(request, options);
  if (existsSync(kept.folder)) return kept;
  throw new WaybillError("SOURCE_MISSING", `the files of tree ${kept.key} are not kept any more`);
}

function specOf({ workload: { spec } }: RunOrder) {
  if (spec.kind === "job") return spec;
  throw new WaybillError("BUG", `a run was ordered of ${spec.name}, which is a ${spec.kind}`);
}

/** What the environment is made from. The run's variables win over the file's, and its folders over both. */
function subjectOf(order: RunOrder, folder: RunFolder, source: string) {
  const { workload, run, attempt } = order;
  const { env, workingDir, startScript } = specOf(order);
  const own = {
    WAYBILL_RUN: run,
    WAYBILL_ATTEMPT: String(attempt),
    WAYBILL_RESULT: folder.result,
    WAYBILL_OUTPUT: folder.output,
  };
  return {
    id: run,
    ports: [],
    spec: {
      stack: workload.stack,
      source,
      workingDir,
      startScript,
      env: { ...env, ...order.env, ...own },
      secrets: [...workload.secrets, ...order.secrets],
    },
  };
}
