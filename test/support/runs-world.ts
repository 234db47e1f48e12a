import { makeCipher } from "../../src/core/cipher.ts";
import { makeEventStore } from "../../src/store/runs/events.ts";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { silentLog, type Log } from "../../src/core/log.ts";
import type { TreeSha } from "../../src/core/names.ts";
import { Secret } from "../../src/core/secret.ts";
import type { StackName } from "../../src/core/stack.ts";
import type { Identity } from "../../src/core/identity.ts";
import { makeRunsRoom, type RunsRoom } from "../../src/runs/room.ts";
import type { RunStore } from "../../src/runs/store.ts";
import { makeSchedules } from "../../src/runs/schedules/times.ts";
import type { Database } from "../../src/store/database.ts";
import { makeRunStore } from "../../src/store/runs/run-store.ts";
import type { RunEnd, RunExecutor, RunOrder, StartedRun } from "../../src/targets/run-executor.ts";
import type { TargetSchedules } from "../../src/targets/target.ts";
import type { Workload } from "../../src/targets/workload.ts";
import { orAborted } from "../../src/targets/local/processes/launch.ts";
import type { SetClock } from "./set-clock.ts";
import { workloadOf } from "./workloads.ts";

export const anna: Identity = { name: "anna", kind: "user", role: "admin", groups: [] };

export const jobStack = (deployment: string, repository = "shop"): StackName => ({
  repository,
  environment: "production",
  deployment,
});

/** A job as if its deploy had just been applied: `yaml` is what its file says beyond kind and name. */
export const deployJob = (
  db: Database,
  name: string,
  yaml: string,
  source: TreeSha | null = null,
): Promise<StackName> => deployJobAs(db, jobStack(name), { yaml, source });

export async function deployJobAs(
  db: Database,
  stack: StackName,
  { yaml, ...changes }: { readonly yaml: string } & Partial<Pick<Workload, "source" | "cronJobs">>,
): Promise<StackName> {
  const name = stack.deployment;
  const workload = workloadOf(
    `kind: job\nname: ${name}\n${yaml.includes("command:") ? "" : `command: ./${name}\n`}${yaml}`,
    changes,
  );
  const repository = { name: stack.repository, url: null, default_branch: "main", problem: null };
  await db
    .insertInto("repositories")
    .values(repository)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const digest = JSON.stringify(workload.spec);
  const text = JSON.stringify({ ...workload, stack });
  const row = {
    kind: "job" as const,
    workload: text,
    applied_workload: text,
    desired_digest: digest,
    applied_digest: digest,
    failed_digest: null,
    hosts: [],
    snapshot: 1,
    commit: "1".repeat(40),
    blocked: null,
    state: "ready" as const,
    reason: "",
    url: null,
  };
  await db
    .insertInto("deployments")
    .values({ repository: stack.repository, environment: stack.environment, name, ...row })
    .onConflict((conflict) => conflict.columns(["repository", "environment", "name"]).doUpdateSet(row))
    .execute();
  return stack;
}

export interface FakeExecutor extends RunExecutor {
  /** `RUN attempt N`, in the order of their starts. */
  readonly starts: string[];
  /** Ids of the runs of which nothing is kept, in that order. */
  readonly forgotten: string[];
  /** Ids of the runs whose programs run. */
  running(): readonly string[];
  /** The program ends with this exit status; null: by a signal from outside. */
  end(run: string, exitStatus: number | null): void;
}

/** Programs that run until a test ends them. They outlive whoever started them, as real ones do. */
export function makeFakeExecutor(clock: Pick<Clock, "now"> = systemClock): FakeExecutor {
  const programs = new Map<string, { readonly startedAt: Date; readonly ended: PromiseWithResolvers<RunEnd> }>();
  const ended = new Set<string>();
  const starts: string[] = [];
  const forgotten: string[] = [];
  const keyOf = ({ run, attempt }: Pick<RunOrder, "run" | "attempt">): string => `${run} attempt ${attempt}`;
  const endOf = (exitStatus: number | null): RunEnd => ({
    exitStatus,
    signal: exitStatus === null ? "SIGTERM" : null,
    crash: exitStatus === null ? "killed by SIGTERM" : null,
    reason: exitStatus === 0 ? "" : `exited with status ${exitStatus}`,
    endedAt: clock.now(),
    peakMemoryBytes: null,
    result: null,
    resultFault: null,
    files: [],
  });
  const finish = (key: string, exitStatus: number | null): void => {
    if (ended.has(key)) return;
    ended.add(key);
    programs.get(key)?.ended.resolve(endOf(exitStatus));
  };
  const started = (key: string): StartedRun => {
    const program = programs.get(key);
    if (!program) throw new TypeError(`${key} was never started`);
    return {
      startedAt: program.startedAt,
      ended: (signal) => orAborted(program.ended.promise, signal),
      stop: () => Promise.resolve(finish(key, null)),
    };
  };
  const running = (): readonly string[] => [...programs.keys()].filter((key) => !ended.has(key));
  return {
    starts,
    forgotten,
    running: () => running().map((key) => key.split(" ")[0] ?? ""),
    end(run, exitStatus) {
      for (const key of running()) if (key.startsWith(`${run} `)) finish(key, exitStatus);
    },
    async start(order, { signal }) {
      signal.throwIfAborted();
      const key = keyOf(order);
      if (programs.has(key)) throw new TypeError(`${key} was started twice`);
      programs.set(key, { startedAt: clock.now(), ended: Promise.withResolvers() });
      starts.push(key);
      return started(key);
    },
    async adopt(order) {
      const key = keyOf(order);
      return programs.has(key) ? { kind: "started", started: started(key) } : { kind: "never started" };
    },
    async *logs() {
      // It says nothing.
    },
    openFile: () => Promise.resolve(null),
    forget: async (run) => void forgotten.push(run),
  };
}

interface RoomOptions {
  readonly db: Database;
  readonly executor: RunExecutor;
  readonly store?: RunStore;
  /** One that is set waits for what the store does. */
  readonly clock?: Clock | SetClock;
  readonly log?: Log;
  /** From so many schedules on that are due at one moment, their runs are written down before it. */
  readonly many?: number;
  readonly targetSchedules?: TargetSchedules;
}

export function makeTestRoom({
  db,
  executor,
  clock = systemClock,
  store = "watch" in clock ? clock.watch(makeRunStore(db)) : makeRunStore(db),
  log = silentLog,
  many,
  targetSchedules,
}: RoomOptions): RunsRoom {
  return makeRunsRoom({
    store,
    eventStore: makeEventStore(db, makeCipher(new Uint8Array(32))),
    schedules: makeSchedules(),
    executorOf: () => executor,
    secrets: {
      versions: async () =>
        new Map([
          ["api-key", 1],
          ["callback-key", 1],
        ]),
      reveal: async (_scope, name) => new Secret(`value of ${name}`),
    },
    ...(targetSchedules && { targetSchedules }),
    clock,
    log,
    many,
  });
}
