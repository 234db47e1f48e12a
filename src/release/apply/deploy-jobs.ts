import type { Clock } from "../../core/clock.ts";
import { asWaybillError, WaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { StackName } from "../../core/stack.ts";
import { digestOf } from "../define/definition.ts";
import { isSettled, type DeploymentRow, type ReleaseStore } from "../store.ts";
import type { DeployPhase } from "../views.ts";
import type { Workload } from "../workload.ts";
import type { Step } from "./drive.ts";
import type { Wait } from "./heirs.ts";

/** A job's run around the switch of a deployment to a new revision. */
export interface DeployRun {
  /** Of the deployment. */
  readonly stack: StackName;
  readonly phase: DeployPhase;
  /** The job's name, in the same environment. */
  readonly job: string;
  /** The snapshot that the deployment follows. */
  readonly snapshot: number;
  /** Of the new revision: equal digests are one switch. */
  readonly digest: string;
}

export interface DeployRunEnd {
  readonly isCompleted: boolean;
  /** `Failed after 3.2 s: exited with status 1`, with the last lines of its log. */
  readonly text: string;
}

export interface BegunDeployRun {
  readonly id: string;
  /** Resolves when it has ended; rejects when the signal aborts: the run goes on. */
  ended(signal: AbortSignal): Promise<DeployRunEnd>;
}

/** What release needs of the runs of jobs. Safe to call again after any interruption: a switch has one run of each phase. */
export interface DeployRuns {
  /**
   * Starts the run of this switch, or finds it; waits for one of an earlier switch first. Null: the job has completed
   * for this revision. Throws for what cannot be started.
   */
  begin(run: DeployRun, signal: AbortSignal): Promise<BegunDeployRun | null>;
}

export interface SwitchParts {
  readonly store: Pick<ReleaseStore, "deployment" | "snapshots" | "setState">;
  /** Null where nobody runs jobs. */
  readonly deployRuns: DeployRuns | null;
  readonly steps: Pick<Feed<Step>, "publish">;
  readonly clock: Clock;
}

/** Resolves when the new revision may take over: null, or why it may not. */
export async function beforeSwitch(
  parts: SwitchParts,
  row: DeploymentRow,
  options: Wait,
): Promise<WaybillError | null> {
  if (!isSwitched(row)) return null;
  try {
    for (const phase of ["before", "after"] as const) {
      const job = jobOf(row, phase);
      if (job !== null) await stackSettled({ ...row.stack, deployment: job }, options);
    }
    await runBefore(parts, row, options);
    return null;
  } catch (error) {
    return options.signal.aborted ? null : asWaybillError(error);
  }
}

export interface AfterSwitch {
  /** Null where there is none. */
  readonly run: BegunDeployRun | null;
  /** Why it could not be started, in the user's words: the revision is live all the same. */
  readonly fault: string;
}

/** Begins the run that the new revision, being live, is followed by. Throws only what may pass by itself. */
export async function afterSwitch(parts: SwitchParts, row: DeploymentRow, signal: AbortSignal): Promise<AfterSwitch> {
  if (!isSwitched(row)) return { run: null, fault: "" };
  try {
    const wanted = await runOf(parts, row, "after");
    const run = wanted && parts.deployRuns ? await parts.deployRuns.begin(wanted, signal) : null;
    return { run, fault: "" };
  } catch (thrown) {
    const error = asWaybillError(thrown);
    if (signal.aborted || error.verdict === "transient" || error.verdict === "bug") throw error;
    return { run: null, fault: `deploy.after was not started: ${error.message}` };
  }
}

/** The job around the switch, by name. */
export function jobOf({ workload }: Pick<DeploymentRow, "workload">, phase: DeployPhase): string | null {
  if (!workload || workload.spec.kind === "job") return null;
  return workload.spec.deploy?.[phase] ?? null;
}

/** What is paused or stopped takes over from nobody. */
const isSwitched = (row: DeploymentRow): boolean =>
  row.workload?.spec.state === "running" && row.blocked === null && !isSettled(row);

async function runBefore(parts: SwitchParts, row: DeploymentRow, { signal }: Wait): Promise<void> {
  const { store, deployRuns, steps, clock } = parts;
  const { stack } = row;
  const say = (message: string): void =>
    steps.publish({ stack, state: "starting", message, url: null, at: clock.now() });
  const run = await runOf(parts, row, "before");
  const begun = run && deployRuns ? await deployRuns.begin(run, signal) : null;
  if (!run || !begun) return;
  say(`before it takes over: run ${begun.id} of ${run.job}`);
  await store.setState(stack, "starting", `waits for run ${begun.id} of job ${run.job} (deploy.before)`);
  const { isCompleted, text } = await begun.ended(signal);
  if (!isCompleted) {
    throw new WaybillError("DEPLOY_JOB_FAILED", `run ${begun.id} of job ${run.job} (deploy.before) is ${text}`);
  }
  await store.setState(stack, "starting", "");
  say(`run ${begun.id} of ${run.job} is ${text}`);
}

/** Null where none is to run: on the way back to an earlier snapshot nothing is migrated. */
async function runOf(
  { store }: Pick<SwitchParts, "store">,
  row: DeploymentRow,
  phase: DeployPhase,
): Promise<DeployRun | null> {
  const { stack, snapshot, workload } = row;
  const job = jobOf(row, phase);
  if (job === null || !workload) return null;
  const { repository, environment } = stack;
  const followed = (await store.snapshots({ repository, environment })).find(({ number }) => number === snapshot);
  if (followed?.kind === "revert") return null;
  await requireJob(store, { ...stack, deployment: job });
  return { stack, phase, job, snapshot, digest: contentDigest(workload) };
}

/** The job is to be there as the same snapshot has it. */
async function requireJob(store: SwitchParts["store"], stack: StackName): Promise<void> {
  const row = await store.deployment(stack);
  if (row?.workload && row.desiredDigest === row.appliedDigest) return;
  const why = row?.workload ? (row.blocked ?? (row.reason || row.state)) : "it is not there";
  throw new WaybillError("DEPLOY_JOB_MISSING", `job ${stack.deployment} (deploy) cannot run: ${why}`);
}

/** Of what makes a revision: a pause, a restart and the jobs around a switch make none. */
function contentDigest({ spec, source, sources, secrets, target }: Workload): string {
  const { state: _state, ...content } = spec;
  return digestOf({ ...content, deploy: undefined, source, sources, secrets, target });
}

async function stackSettled(stack: StackName, { settled, signal }: Wait): Promise<void> {
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  if (!signal.aborted) await Promise.race([settled(stack), aborted]);
  signal.throwIfAborted();
}
