import { createHash } from "node:crypto";
import type { StackName } from "../../../core/stack.ts";
import { isReference } from "../../../spec/parameters/references.ts";
import type { ResolvedJob, ResolvedSchedule } from "../../../spec/resolved.ts";
import type { Workload } from "../../workload.ts";
import { cronJobSchedule } from "./cron-expression.ts";

/** A schedule as a CronJob: all that Kubernetes is told of when it fires. */
export interface CronJob {
  /** Another rule is another CronJob: what it was before has fired nothing of it. */
  readonly name: string;
  readonly schedule: ResolvedSchedule;
  readonly cron: string;
  readonly timeZone: string;
  readonly concurrencyPolicy: "Allow" | "Forbid" | "Replace";
  readonly startingDeadlineSeconds: number;
}

/** A schedule that its cluster cannot fire as the file says: the server does. */
export interface LeftSchedule {
  readonly name: string;
  /** Why, in the user's words. */
  readonly reason: string;
}

export interface CronJobs {
  readonly made: readonly CronJob[];
  readonly left: readonly LeftSchedule[];
}

type JobWorkload = Pick<Workload, "stack" | "cronJobs"> & { readonly spec: Workload["spec"] };

/** Which of a job's schedules its cluster fires, and which the server. Pure. */
export function cronJobsOf({ stack, spec, cronJobs }: JobWorkload): CronJobs {
  if (!cronJobs || spec.kind !== "job") return { made: [], left: [] };
  const made: CronJob[] = [];
  const left: LeftSchedule[] = [];
  for (const schedule of spec.schedules) {
    const found = read(stack, spec, schedule);
    if (typeof found === "string") left.push({ name: schedule.name, reason: found });
    else made.push(found);
  }
  return { made, left };
}

// What is younger was not missed but met.
const onTimeSeconds = 60;
// The controller looks every ten seconds.
const leftOutAfterSeconds = 15;

function read(stack: StackName, spec: ResolvedJob, schedule: ResolvedSchedule): CronJob | string {
  const { when, timezone, catchUp } = schedule;
  const fault = jobFault(spec) ?? scheduleFault(schedule);
  if (fault !== null) return fault;
  const cron = when.by === "cron" ? cronJobSchedule(when) : { fault: `it is an ${when.by}` };
  if ("fault" in cron) return cron.fault;
  const { limit, whenFull } = spec.concurrency;
  if (limit !== null && whenFull === "skip" && catchUp.policy !== "skip") {
    return "whenFull: skip needs catchUp: skip, or Kubernetes makes up for the time that was left out";
  }
  return {
    name: cronJobName(stack, schedule),
    schedule,
    cron: cron.schedule,
    timeZone: timezone,
    concurrencyPolicy: limit === null ? "Allow" : whenFull === "cancel-running" ? "Replace" : "Forbid",
    startingDeadlineSeconds: deadlineSeconds(catchUp, limit !== null && whenFull === "skip"),
  };
}

const deadlineSeconds = ({ policy, maxAgeSeconds }: ResolvedSchedule["catchUp"], isLeftOut: boolean): number =>
  policy !== "skip" ? Math.ceil(maxAgeSeconds) : isLeftOut ? leftOutAfterSeconds : onTimeSeconds;

/** What every run of the job needs the server for. */
function jobFault({ source, concurrency }: ResolvedJob): string | null {
  if (source.from !== "image") return "its source is fetched from the server: bring an image with source.image";
  if (Object.keys(concurrency.shared).length > 0) return "its limits are shared with other jobs";
  if (concurrency.limit !== null && concurrency.limit > 1) return "Kubernetes knows no limit but one";
  return null;
}

function scheduleFault({ startAt, endAt, jitterSeconds, catchUp, timezone, parameters }: ResolvedSchedule) {
  if (startAt !== null) return "it has startAt";
  if (endAt !== null) return "it has endAt";
  if (jitterSeconds > 0) return "it has jitter";
  if (catchUp.policy === "all") return "Kubernetes makes up for the latest time only, not for all";
  if (/^[+-]/.test(timezone)) return `Kubernetes knows no time zone ${timezone}`;
  const secret = Object.entries(parameters).find(([, value]) => isReference(value));
  return secret ? `its parameter ${secret[0]} is a secret, which the server reads for each run` : null;
}

// A Job's name has eleven characters after it, a further attempt's some more, in a label's 63.
const maxNameLength = 40;

/** Differs between any two jobs, schedules and rules of a server. */
function cronJobName(stack: StackName, { name, when, timezone }: ResolvedSchedule): string {
  // What was stored comes back with its keys in another order.
  const rule = when.by === "cron" ? [when.cron, when.isDayOr] : [];
  const content = JSON.stringify([stack.repository, stack.environment, stack.deployment, name, rule, timezone]);
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8);
  const kept = `${stack.deployment}-${name}`.slice(0, maxNameLength - hash.length - 1).replace(/-+$/, "");
  return `${kept}-${hash}`;
}

const msPerMinute = 60_000;

/** The time that a CronJob has made a Job for, by the Job's name; null for one that was made by hand. */
export function timeOfJob(name: string): Date | null {
  const [, minutes] = /-(\d{7,})$/.exec(name) ?? [];
  return minutes === undefined ? null : new Date(Number(minutes) * msPerMinute);
}

/**
 * Which of the Jobs that are there has taken the place of one that is gone: the next one of its CronJob, where that
 * replaces what still runs; null where none has. Pure.
 */
export function whoReplaced(gone: string, there: readonly string[], workload: JobWorkload): string | null {
  const isOf = ({ name }: CronJob, job: string): boolean => job.startsWith(`${name}-`) && timeOfJob(job) !== null;
  const own = cronJobsOf(workload).made.find((each) => isOf(each, gone));
  if (own?.concurrencyPolicy !== "Replace") return null;
  const timeMs = (job: string): number => timeOfJob(job)?.getTime() ?? 0;
  const later = there.filter((job) => isOf(own, job) && timeMs(job) > timeMs(gone));
  return later.toSorted((a, b) => timeMs(a) - timeMs(b))[0] ?? null;
}

/** What differs from a schedule that the server fires, in the user's words. Pure. */
export function cronJobNotices(workload: JobWorkload): readonly string[] {
  const { spec } = workload;
  const { made, left } = cronJobsOf(workload);
  if (spec.kind !== "job") return [];
  const { limit, whenFull } = spec.concurrency;
  const kept = left.map(({ name, reason }) => `schedule ${name} is fired by the server, not by a CronJob: ${reason}`);
  if (made.length === 0) return kept;
  const names = made.map(({ schedule }) => schedule.name).join(", ");
  const zoned = made.filter(({ timeZone }) => timeZone !== "UTC").map(({ schedule }) => schedule.name);
  return [
    `${names}: fired by a CronJob: results and files of these runs are not kept`,
    ...kept,
    ...(limit === null
      ? []
      : [
          whenFull === "queue"
            ? "CronJobs: the limit counts for each schedule by itself, and of the times that wait only the latest is run"
            : "CronJobs: the limit counts for each schedule by itself",
        ]),
    ...(spec.retries.limit > 0
      ? ["CronJobs: Kubernetes tries again after 10 s, 20 s and so on, whatever the delay"]
      : []),
    ...(zoned.length > 0
      ? [
          `CronJobs: when the clock is set for summer or back, times that it skips are not run, and those that it shows twice are run twice: ${zoned.join(", ")}`,
        ]
      : []),
  ];
}
