import type { Clock } from "../../core/clock.ts";
import { WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { StackName } from "../../core/stack.ts";
import type { BegunDeployRun, DeployRun, DeployRuns } from "../../release/apply/deploy-jobs.ts";
import { candidateOf, type Candidate } from "../dispatch/admission.ts";
import type { JobBook } from "../job-book.ts";
import { runParameters } from "../parameters/values.ts";
import type { DeployOrigin, Run } from "../run.ts";
import { isEnded } from "../state.ts";
import type { RunStore } from "../store.ts";
import { deployEnd, deployVerdict } from "./deploy.ts";

interface DeploysParts {
  readonly store: Pick<
    RunStore,
    "run" | "caused" | "deployStep" | "saveDeployStep" | "endDeployStep" | "runningDeploySteps"
  >;
  readonly jobs: Pick<JobBook, "get">;
  /** Reads a job again, and all that follows from it. */
  readonly takeJob: (stack: StackName) => Promise<void>;
  readonly accept: (candidates: readonly Candidate[]) => Promise<readonly Run[]>;
  readonly changes: Pick<Feed<Run>, "listen">;
  readonly newId: () => string;
  readonly clock: Clock;
}

/** Runs jobs around the switches of deployments to new revisions. */
export function makeDeploys(parts: DeploysParts) {
  const { store } = parts;

  /** Keeps how it ended: of a run that nobody awaits any more, too. */
  async function note(run: Run): Promise<void> {
    if (run.origin.by !== "deployment" || !isEnded(run.status.state)) return;
    const { isCompleted, text } = deployEnd(run);
    const end = isCompleted ? { state: "completed" as const, reason: "" } : { state: "failed" as const, reason: text };
    await store.endDeployStep(run.id, end);
  }

  async function noteNow(id: string): Promise<void> {
    const run = await store.run(id);
    if (run) await note(run);
    else await store.endDeployStep(id, { state: "failed", reason: `run ${id} is not kept any more` });
  }

  const runs: DeployRuns = {
    async begin(wanted, signal) {
      for (;;) {
        const last = await store.deployStep(wanted.stack, wanted.phase);
        const verdict = deployVerdict(wanted, last);
        switch (verdict) {
          case "done":
            return null;
          case "run":
            return begun(parts, await start(parts, wanted));
          case "follow":
            return begun(parts, last?.run ?? "");
          case "wait":
            await begun(parts, last?.run ?? "").ended(signal);
            // It may have been noted by nobody yet.
            await noteNow(last?.run ?? "");
            break;
          default:
            return verdict satisfies never;
        }
      }
    },
  };
  return {
    runs,
    note,
    /** Notes what ended while nobody looked. */
    async noteMissed(): Promise<void> {
      for (const { run } of await store.runningDeploySteps()) await noteNow(run);
    },
  };
}

/** Answers the run's id: of the one that is there, where a server before this one has started it. */
async function start(parts: DeploysParts, { stack, phase, job: name, snapshot, digest }: DeployRun): Promise<string> {
  const { store, jobs, accept, newId, clock } = parts;
  const jobStack = { ...stack, deployment: name };
  await parts.takeJob(jobStack);
  const job = jobs.get(jobStack);
  const { spec } = job.workload;
  if (spec.state === "stopped") {
    throw new WaybillError("CONFLICT", `job ${name} (deploy.${phase}) is stopped by its file: let it be running`);
  }
  const revision = `${snapshot}/${digest}`;
  const origin: DeployOrigin = { by: "deployment", deployment: stack.deployment, phase, revision };
  const parameters = runParameters(spec, { schedule: null, values: {} });
  const accepted = await accept([candidateOf(job, { id: newId(), origin, parameters, acceptedAt: clock.now() })]);
  const run = accepted[0] ?? (await store.caused(jobStack, origin));
  if (!run) throw new WaybillError("BUG", `the run of ${name} for ${stack.deployment} was not accepted`);
  await store.saveDeployStep({
    stack,
    phase,
    snapshot,
    digest,
    job: name,
    run: run.id,
    state: "running",
    reason: "",
  });
  return run.id;
}

function begun({ store, changes }: DeploysParts, id: string): BegunDeployRun {
  return {
    id,
    async ended(signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Run | null>();
      // It may be rejected before anybody awaits it.
      promise.catch(() => undefined);
      // Listened to first: it may end between the two.
      const stop = changes.listen((run) => {
        if (run.id === id && isEnded(run.status.state)) resolve(run);
      });
      const abort = (): void => reject(signal.reason as Error);
      signal.addEventListener("abort", abort);
      try {
        signal.throwIfAborted();
        const run = await store.run(id);
        const isOver = !run || isEnded(run.status.state);
        const ended = isOver ? run : await promise;
        return ended ? deployEnd(ended) : { isCompleted: false, text: "not kept any more" };
      } finally {
        stop();
        signal.removeEventListener("abort", abort);
      }
    },
  };
}
