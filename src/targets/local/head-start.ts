import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { messageOf } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { stackKey } from "../../core/stack.ts";
import { processArgs, sourceArgs, type WorkloadOf } from "../../../templates/local/parts.ts";
import { servingArgs } from "../../../templates/local/service.ts";
import type { Ahead } from "../../release/deployer.ts";
import type { Workload } from "../workload.ts";
import type { InstanceRecord, InstanceSpec } from "./processes/instance.ts";
import type { StartOptions, Supervisor } from "./processes/supervisor.ts";
import { requestOf } from "./source-provider.ts";
import { treeKey, type TreeRequest, type Trees } from "./trees/trees.ts";

/**
 * Starts a new revision's process while its snapshot is still being tagged and recorded: the apply that then asks for
 * exactly this process finds it under way. It has no route before that, and one that no apply asks for is ended.
 */
export interface HeadStart {
  begin(workload: Workload, ahead: Ahead): void;
  /** What was begun for this specification, from now on its asker's; null when nothing was. */
  take(spec: InstanceSpec): Promise<Taken | null>;
  /** At the start of the server, once instances are adopted: ends what was begun and never asked for. */
  cleanUp(): Promise<void>;
  close(): Promise<void>;
}

export interface Taken {
  readonly id: string;
  /** As `Supervisor.start`. */
  ready(options: StartOptions): Promise<InstanceRecord>;
}

export interface HeadStartDependencies {
  /** Holds a mark for each instance that nobody has asked for yet. */
  readonly folder: string;
  readonly trees: Pick<Trees, "ensure" | "folderOf">;
  readonly supervisor: Pick<Supervisor, "start" | "stop" | "of">;
  readonly clock: Clock;
  readonly log: Log;
}

interface Begun {
  readonly id: string;
  readonly spec: InstanceSpec;
  readonly abort: AbortController;
  /** Aborted once somebody has asked for it. */
  readonly patience: AbortController;
  /** Whether its files could be had: only then was anything started. */
  readonly hasFiles: Promise<boolean>;
  readonly ready: Promise<InstanceRecord>;
  readonly listeners: Set<(message: string) => void>;
}

// An apply follows within a second; on a machine that is very busy, it may take its time.
const patienceMs = 10_000;
const because = "it was begun ahead of a deploy that did not come";

export function makeHeadStart(dependencies: HeadStartDependencies): HeadStart {
  const { folder, trees, supervisor, clock, log } = dependencies;
  const begun = new Map<string, Begun>();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const mark = (id: string): string => join(folder, id);

  async function drop(key: string, unasked: Begun): Promise<void> {
    if (begun.get(key) === unasked) begun.delete(key);
    unasked.patience.abort();
    unasked.abort.abort(new Error(because));
    await unasked.ready.catch(() => undefined);
    await supervisor.stop(unasked.id, because);
    rmSync(mark(unasked.id), { force: true });
  }

  async function dropUnasked(key: string, entry: Begun): Promise<void> {
    try {
      await clock.sleep(patienceMs, entry.patience.signal);
      await drop(key, entry);
    } catch (error) {
      if (!entry.patience.signal.aborted) notEnded(log, entry)(error);
    }
  }

  return {
    begin(workload, ahead) {
      const plan = planOf(workload, { trees, ahead });
      if (plan === null) return;
      const key = stackKey(workload.stack);
      const former = begun.get(key);
      if (isDeepStrictEqual(former?.spec, plan.spec)) return;
      if (supervisor.of(workload.stack).some((record) => isSame(record, plan.spec))) return;
      if (former) void drop(key, former).catch(notEnded(log, former));
      const entry = start(dependencies, plan, ahead);
      begun.set(key, entry);
      void dropUnasked(key, entry);
    },
    async take(spec) {
      const key = stackKey(spec.stack);
      const entry = begun.get(key);
      if (!entry || !isDeepStrictEqual(entry.spec, spec)) return null;
      begun.delete(key);
      entry.patience.abort();
      if (!(await entry.hasFiles)) return null;
      return {
        id: entry.id,
        ready: (options) => awaitReady(entry, options).finally(() => rmSync(mark(entry.id), { force: true })),
      };
    },
    async cleanUp() {
      await Promise.all(
        readdirSync(folder).map(async (id) => {
          await supervisor.stop(id, because);
          rmSync(mark(id), { force: true });
        }),
      );
    },
    async close() {
      await Promise.all([...begun].map(([key, entry]) => drop(key, entry)));
    },
  };
}

const notEnded =
  (log: Log, { id }: Begun) =>
  (error: unknown): void =>
    log.warn({ instance: id, error: messageOf(error) }, "what was begun ahead was not ended");

function start({ folder, trees, supervisor }: HeadStartDependencies, plan: Plan, { files: ahead }: Ahead): Begun {
  const { request, spec } = plan;
  const id = `${plan.name}-${randomUUID().replaceAll("-", "").slice(0, 12)}`;
  const abort = new AbortController();
  const listeners = new Set<(message: string) => void>();
  const onProgress = (message: string): void => listeners.forEach((listener) => listener(message));
  const options: StartOptions = { signal: abort.signal, onProgress };
  const files = trees.ensure(request, { ...options, ahead });
  const ready = files.then(() => {
    // Before it runs: a server that dies now leaves a process that its successor must know to end.
    writeFileSync(join(folder, id), "", { mode: 0o600 });
    return supervisor.start(id, spec, options);
  });
  // Whoever takes it sees the failure.
  ready.catch(() => undefined);
  const hasFiles = files.then(
    () => true,
    () => false,
  );
  return { id, spec, abort, patience: new AbortController(), hasFiles, ready, listeners };
}

/** The asker's signal from now on decides. */
async function awaitReady(
  { abort, ready, listeners }: Begun,
  { signal, onProgress }: StartOptions,
): Promise<InstanceRecord> {
  const forward = (): void => abort.abort(signal.reason);
  signal.addEventListener("abort", forward, { once: true });
  if (signal.aborted) forward();
  listeners.add(onProgress);
  try {
    return await ready;
  } finally {
    signal.removeEventListener("abort", forward);
    listeners.delete(onProgress);
  }
}

interface Plan {
  readonly name: string;
  readonly request: TreeRequest;
  readonly spec: InstanceSpec;
}

const isSame = ({ desired, spec }: InstanceRecord, wanted: InstanceSpec): boolean =>
  desired === "running" && isDeepStrictEqual(spec, wanted);

interface Planning {
  readonly trees: Pick<Trees, "folderOf">;
  readonly ahead: Ahead;
}

/** Null where nothing can be begun yet, or nothing is to run. */
function planOf(workload: Workload, { trees, ahead }: Planning): Plan | null {
  const { spec, pause, source: tree } = workload;
  if (spec.kind !== "service" || spec.state !== "running" || pause !== null || tree === null) return null;
  // A start script prepares the ground, a database's tables say: not for what may come to nothing.
  if (!ahead.isStored && spec.startScript !== null) return null;
  const service: WorkloadOf<"service"> = { ...workload, spec };
  const request = requestOf(plain(sourceArgs(service)));
  const source = treeKey(request);
  if (request.build !== null && trees.folderOf(source) === null) return null;
  return { name: spec.name, request, spec: { ...plain(processArgs(service, servingArgs(service))), source } };
}

/** As it comes back from a program: plain JSON. */
const plain = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value;
