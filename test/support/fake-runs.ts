import { WaybillError } from "../../src/core/errors.ts";
import { makeFeed } from "../../src/core/feed.ts";
import type { Run } from "../../src/runs/run.ts";
import type { Runs, ScheduleDetail } from "../../src/runs/runs.ts";
import type { JobWorkload } from "../../src/runs/run.ts";
import type { RunState } from "../../src/runs/state.ts";
import { runParameters } from "../../src/runs/parameters/values.ts";
import { workloadOf } from "./workloads.ts";

/** What the parameters of the job are, in the words of a file. */
const sampleParameters = `
parameters:
  schema:
    type: object
    required: [epochs]
    properties:
      epochs: { type: integer, minimum: 1, maximum: 100, description: How often it sees everything }
      rate: { type: number, exclusiveMinimum: 0 }
      label: { type: string, title: Label, maxLength: 20 }
      mode: { enum: [fast, careful] }
      dry: { type: boolean }
      key: { type: string, writeOnly: true }
      table: { type: string, readOnly: true }
      layers: { type: array, items: { type: integer } }
    additionalProperties: false
  values: { epochs: 3, table: orders, dry: false }
schedules:
  - { name: nightly, cron: "0 2 * * *" }
`;

export const sampleJob = (parameters = sampleParameters): JobWorkload =>
  workloadOf(`kind: job\nname: ranker\ncommand: ./rank\n${parameters}`) as JobWorkload;

export interface FakeRuns extends Runs {
  tell(change: Partial<Run>): void;
  /** Adds so many older runs, called `o1` and so on. */
  addOlder(count: number): void;
}

/** One run of the job `ranker` and one schedule, in memory: what is done to them is as it would be, and runs nothing. */
export function makeFakeRuns(workload = sampleJob()): FakeRuns {
  const changes = makeFeed<Run>();
  let run = sampleRun();
  let others: readonly Run[] = [];
  let pause: ScheduleDetail["pause"] = null;
  const find = (id: string): Run => {
    if (id === run.id) return run;
    throw new WaybillError("NOT_FOUND", `there is no run ${id}`);
  };
  const tell = (change: Partial<Run>): void => {
    run = { ...run, ...change };
    changes.publish(run);
  };
  const step = (id: string, state: RunState): Promise<Run> => {
    tell({ status: { ...find(id).status, state } });
    return Promise.resolve(run);
  };
  const schedules = (): readonly ScheduleDetail[] => [
    { name: "nightly", isActive: true, pause, next: new Date("2026-03-05T02:00:00Z") },
  ];
  return {
    job: (stack) => ({ ...run.revision, stack, workload, pause: null, schedulePauses: new Map() }),
    async start({ parameters, name }) {
      tell({ parameters: runParameters(workload.spec, { schedule: null, values: parameters }), name });
      return run;
    },
    run: async (id) => ({ run: find(id), waitingFor: null }),
    async runs({ job }, { before = Number.POSITIVE_INFINITY, limit }) {
      if (job !== undefined && job !== "ranker") return [];
      const found = [run, ...others.toReversed()].filter(({ ordinal }) => ordinal < before);
      return found.slice(0, limit).map((one) => ({ run: one, waitingFor: null }));
    },
    cancel: async (id) => step(id, "Cancelled"),
    retry: async (id) => step(id, "Scheduled"),
    rerun: async (id) => find(id),
    async *logs(id) {
      yield { at: find(id).acceptedAt.toISOString(), stream: "stdout", text: "epoch 1" };
    },
    async openFile(id, path) {
      find(id);
      const body = new Blob([path]);
      return { bytes: body.size, body: body.stream() };
    },
    followers: async (id) => [{ ...find(id), origin: { by: "after", entry: "ranker", run: id } }],
    chain: (stack) => ({
      after: [{ entry: sampleEntry, follower: stack, rest: null }],
      followedBy: [{ entry: sampleEntry, follower: { ...stack, deployment: "report" }, rest: "paused by jon" }],
      events: ["order-placed"],
    }),
    schedules,
    async pauseSchedule({ actor, reason }) {
      pause = { by: actor.name, reason, at: "2026-03-04T10:15:00.000Z" };
      return schedules();
    },
    async resumeSchedule() {
      pause = null;
      return schedules();
    },
    upcoming: () => [
      {
        schedule: "nightly",
        at: new Date("2026-03-05T02:00:00Z"),
        parameters: { epochs: 10 },
        isFiredByTarget: false,
      },
    ],
    changes,
    tell,
    addOlder(count) {
      others = Array.from({ length: count }, (_, index) => ({ ...run, id: `o${index + 1}`, ordinal: index + 1 }));
      run = { ...run, ordinal: count + 1 };
    },
  };
}

const sampleEntry = {
  name: "extract",
  job: "extract",
  states: ["completed"],
  delaySeconds: 300,
  parameters: {},
} as const;

function sampleRun(): Run {
  const at = new Date("2026-03-04T10:15:00Z");
  const status = { state: "Running" as const, since: at, reason: "", waitingFor: null };
  return {
    id: "t1",
    ordinal: 1,
    stack: { repository: "shop", environment: "production", deployment: "ranker" },
    name: "",
    revision: { snapshot: 7, commit: "1".repeat(40) },
    origin: { by: "person", name: "jon", rerunOf: null },
    parameters: { epochs: 3 },
    acceptedAt: at,
    dueAt: at,
    status,
    history: [status],
    attempt: 1,
    retries: 0,
    startedAt: at,
    endedAt: null,
    outcome: null,
    callback: null,
    chainNote: "",
  };
}
