import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Feed } from "../core/feed.ts";
import type { StackName } from "../core/stack.ts";
import type { RunExecutor } from "../targets/run-executor.ts";
import type { TargetSchedules } from "../targets/target.ts";
import { candidateOf } from "./dispatch/admission.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import { requireCallbackUrl, type Callbacks } from "./callbacks.ts";
import type { JobBook } from "./job-book.ts";
import type { SecretVersions } from "./order.ts";
import { runLog } from "./log.ts";
import { isHidden, runParameters, secretParameters } from "./parameters/values.ts";
import type { ParameterValues, Run, RunOrigin } from "./run.ts";
import type { ChainDetail, ChainLink, RunDetail, Runs, ScheduleDetail, ScheduleRequest } from "./runs.ts";
import type { Schedules } from "./schedules/schedules.ts";
import { isEnded, mayStep } from "./state.ts";
import type { Job, RunStore } from "./store.ts";
import { whyAtRest } from "./triggers/chain.ts";
import type { Triggers } from "./triggers/triggers.ts";
import { upcomingRuns } from "./upcoming.ts";

interface ServiceParts {
  readonly store: RunStore;
  readonly schedules: Schedules;
  readonly targetSchedules: TargetSchedules;
  readonly jobs: JobBook;
  readonly dispatcher: Pick<Dispatcher, "accept" | "cancel" | "look" | "waitingFor">;
  readonly triggers: Pick<Triggers, "due" | "accepted">;
  /** Reads a job again, and all that follows from it. */
  readonly takeJob: (stack: StackName) => Promise<void>;
  readonly changes: Feed<Run>;
  readonly callbacks: Pick<Callbacks, "requireKey">;
  readonly secrets: SecretVersions;
  readonly newId: () => string;
  readonly executorOf: (target: string) => RunExecutor | null;
  readonly clock: Clock;
}

export function makeService(parts: ServiceParts): Runs {
  const { store, jobs, dispatcher, changes, clock } = parts;
  const detail = (run: Run): RunDetail => ({ run, waitingFor: dispatcher.waitingFor(run) });
  const find = (id: string): Promise<Run> => findRun(parts, id);
  return {
    job: (stack) => jobs.get(stack),
    start: (request) => start(parts, { ...request, job: jobs.get(request.stack), rerunOf: null }),
    run: async (id) => detail(await find(id)),
    async followers(id) {
      await find(id);
      return store.followers(id);
    },
    runs: async (filter, page) => (await store.runs(filter, page)).map(detail),
    async cancel(id, actor) {
      await find(id);
      return dispatcher.cancel(id, `cancelled by ${actor.name}`);
    },
    retry: (id, actor) => retry(parts, id, actor.name),
    rerun: (id, options) => rerun(parts, id, options),
    logs: (id, request) => runLog({ ...parts, find }, id, request),
    async openFile(id, path) {
      await find(id);
      const revision = await store.revision(id);
      const file = revision && (await parts.executorOf(revision.workload.target)?.openFile(id, path));
      if (file) return file;
      throw new WaybillError("NOT_FOUND", `run ${id} has left no file ${JSON.stringify(path.slice(0, 200))}`);
    },
    chain: (stack) => chainOf(jobs, jobs.get(stack)),
    schedules: (stack) => scheduleDetails(parts, jobs.get(stack)),
    async pauseSchedule(request) {
      const pause = { by: request.actor.name, reason: request.reason, at: clock.now().toISOString() };
      return savePause(parts, request, pause);
    },
    resumeSchedule: (request) => savePause(parts, request, null),
    upcoming: (stack) => upcomingRuns({ ...parts, due: parts.triggers.due(stack) }, jobs.get(stack), clock.now()),
    changes,
  };
}

function chainOf(jobs: Pick<JobBook, "all">, job: Job): ChainDetail {
  const { repository, environment, deployment } = job.stack;
  const linksOf = (follower: Job): readonly ChainLink[] =>
    (follower.workload.spec.after ?? []).map((entry) => ({
      entry,
      follower: follower.stack,
      rest: whyAtRest(follower),
    }));
  const neighbours = jobs
    .all()
    .filter(({ stack }) => stack.repository === repository && stack.environment === environment);
  return {
    after: linksOf(job),
    followedBy: neighbours.flatMap(linksOf).filter(({ entry }) => entry.job === deployment),
    events: (job.workload.spec.events ?? []).map(({ name }) => name),
  };
}

async function findRun({ store, triggers }: Pick<ServiceParts, "store" | "triggers">, id: string): Promise<Run> {
  const known = await store.run(id);
  if (known) return known;
  // A program that was started ahead may ask before its run is accepted.
  await triggers.accepted(id);
  const run = await store.run(id);
  if (run) return run;
  throw new WaybillError("NOT_FOUND", `there is no run ${JSON.stringify(id.slice(0, 40))}: waybill runs lists them`);
}

interface Start {
  readonly job: Job;
  readonly parameters: ParameterValues;
  readonly name: string;
  readonly at: Date | null;
  readonly callback: string | null;
  readonly actor: { readonly name: string };
  readonly rerunOf: string | null;
}

async function start(
  parts: ServiceParts,
  { job, parameters, name, at, callback, actor, rerunOf }: Start,
): Promise<Run> {
  const { spec, target } = job.workload;
  if (spec.state === "stopped") {
    throw new WaybillError("CONFLICT", `${spec.name} is stopped by its file: set state: running there to run it`);
  }
  if (!parts.executorOf(target)) {
    throw new WaybillError("TARGET_UNSUPPORTED", `${spec.name}: target ${target} checks jobs and runs none`);
  }
  const values = runParameters(spec, { schedule: null, values: parameters });
  if (callback !== null) {
    requireCallbackUrl(callback);
    await parts.callbacks.requireKey(job.stack);
  }
  await requireSecrets(parts.secrets, job, values);
  const now = parts.clock.now();
  const origin: RunOrigin = { by: "person", name: actor.name, rerunOf };
  const started = { id: parts.newId(), origin, parameters: values, acceptedAt: now, name, callback };
  const candidate = candidateOf(job, { ...started, dueAt: at ?? now });
  const [run] = await parts.dispatcher.accept([candidate]);
  if (run) return run;
  throw new WaybillError("BUG", `run ${candidate.id} was not accepted`);
}

/** Before it is accepted: a run that waits for hours should not end for want of a name. */
async function requireSecrets(
  secrets: SecretVersions,
  { stack, workload }: Job,
  values: ParameterValues,
): Promise<void> {
  const references = secretParameters(workload.spec, values);
  if (references.size === 0) return;
  const known = await secrets.versions(stack);
  const [missing] = [...references].filter(([, name]) => !known.has(name));
  if (!missing) return;
  const [parameter, name] = missing;
  throw new WaybillError(
    "SECRET_MISSING",
    `parameter ${parameter}: secret ${name} does not exist: waybill secret set ${name}`,
  );
}

async function retry(parts: ServiceParts, id: string, by: string): Promise<Run> {
  const { store, dispatcher, clock, changes } = parts;
  const run = await findRun(parts, id);
  const { state } = run.status;
  if (!mayStep(state, "Scheduled")) {
    const remedy = isEnded(state) ? "rerun starts a new one" : "cancel it first";
    throw new WaybillError("CONFLICT", `run ${id} is ${state} and cannot be retried: ${remedy}`);
  }
  const now = clock.now();
  const status = { state: "Scheduled" as const, since: now, reason: `retried by ${by}`, waitingFor: null };
  const stepped = await store.step(id, state, { status, dueAt: now, endedAt: null, outcome: null });
  if (!stepped)
    throw new WaybillError("CONFLICT", `run ${id} was changed by somebody else meanwhile: look at it again`);
  changes.publish(stepped);
  await dispatcher.look(run.stack);
  return findRun(parts, id);
}

async function rerun(parts: ServiceParts, id: string, options: Parameters<Runs["rerun"]>[1]): Promise<Run> {
  const { store, jobs } = parts;
  const run = await findRun(parts, id);
  const job = jobs.get(run.stack);
  const revision = options.revision === "newest" ? job : await store.revision(id);
  if (!revision)
    throw new WaybillError("NOT_FOUND", `what run ${id} ran is not kept any more: rerun its newest revision`);
  return start(parts, {
    job: { ...job, ...revision },
    parameters: withoutHidden(job, run.parameters),
    name: run.name,
    at: null,
    callback: run.callback?.url ?? null,
    actor: options.actor,
    rerunOf: id,
  });
}

/** What its file alone sets is not given again: it may have changed. */
function withoutHidden({ workload: { spec } }: Job, values: ParameterValues): ParameterValues {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !isHidden(spec, name)));
}

function scheduleDetails({ schedules, clock }: ServiceParts, job: Job): readonly ScheduleDetail[] {
  const isOff = job.pause !== null || job.workload.spec.state !== "running";
  return job.workload.spec.schedules.map((schedule) => {
    const pause = job.schedulePauses.get(schedule.name) ?? null;
    const fires = schedule.isActive && pause === null && !isOff;
    const [next = null] = fires ? schedules.upcoming(schedule, clock.now(), 1) : [];
    return { name: schedule.name, isActive: schedule.isActive, pause: pause ?? job.pause, next };
  });
}

async function savePause(
  parts: ServiceParts,
  { stack, schedule }: ScheduleRequest,
  pause: Parameters<RunStore["saveSchedulePause"]>[2],
): Promise<readonly ScheduleDetail[]> {
  const { store, jobs, takeJob } = parts;
  const names = jobs.get(stack).workload.spec.schedules.map(({ name }) => name);
  if (!names.includes(schedule)) {
    const known = names.join(", ") || "none";
    throw new WaybillError(
      "NOT_FOUND",
      `${stack.deployment} has no schedule ${JSON.stringify(schedule)}; it has ${known}`,
    );
  }
  await store.saveSchedulePause(stack, schedule, pause);
  await takeJob(stack);
  return scheduleDetails(parts, jobs.get(stack));
}
