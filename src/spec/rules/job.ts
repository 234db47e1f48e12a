import { messageOf } from "../../core/errors.ts";
import type { Finding, Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import { placeholdersOf, withParameters } from "../parameters/command.ts";
import type { ParameterCheck } from "../parameters/parameters.ts";
import { propertiesOf } from "../parameters/properties.ts";
import { sharedVariables } from "../parameters/variable.ts";
import type { ScheduleSpec } from "../deployment.ts";
import type { Drafted, Inspection } from "./draft.ts";
import { didYouMean } from "./nearest.ts";
import { parseDuration, parseIsoDuration } from "./quantities.ts";

/** The rules of a job's schedules. What its parameters must fit is checked by `problemsOf`. */
export function checkJob(inspection: Inspection, problemsOf: ParameterCheck): void {
  const { draft, report } = inspection;
  const names = new Set<string>();
  for (const [index, schedule] of (draft.schedules ?? []).entries()) {
    if (schedule === null) continue;
    const at = ["schedules", index];
    if (schedule.name !== undefined && names.has(schedule.name)) {
      const message = `two schedules of this job are called "${schedule.name}": rename one of them`;
      report([...at, "name"], "SCHEDULE_DUPLICATE", message);
    }
    if (schedule.name !== undefined) names.add(schedule.name);
    checkTimes(inspection, schedule, at);
  }
  checkNames(inspection);
  checkTimeout(inspection);
  checkParameters(inspection, problemsOf);
  checkVariables(inspection);
}

/** What `after` says, with where it says it. */
export function followsOf<Entry>(after: Entry | readonly Entry[] | undefined): readonly (readonly [Entry, Path])[] {
  if (after === undefined) return [];
  if (!Array.isArray(after)) return [[after as Entry, ["after"]]];
  return (after as readonly Entry[]).map((entry, index) => [entry, ["after", index]] as const);
}

function checkNames({ draft, report }: Inspection): void {
  const followed = new Set<string>();
  for (const [entry, at] of followsOf(draft.after)) {
    const name = entry?.name ?? entry?.job;
    if (name === undefined) continue;
    if (followed.has(name)) {
      const message = `two entries of after are called "${name}": give one of them another "name"`;
      report([...at, entry?.name === undefined ? "job" : "name"], "AFTER_DUPLICATE", message);
    }
    followed.add(name);
  }
  const events = new Set<string>();
  for (const [index, event] of (draft.events ?? []).entries()) {
    if (event?.name === undefined) continue;
    if (events.has(event.name)) {
      const message = `event "${event.name}" is named twice: remove one of them`;
      report(["events", index, "name"], "EVENT_DUPLICATE", message);
    }
    events.add(event.name);
  }
}

const isOpen = ({ path, missing }: Finding): boolean => missing !== undefined && path.length === 0;

const forms = ["cron", "interval", "rrule"] as const;

function checkTimes(inspection: Inspection, schedule: Drafted<ScheduleSpec>, at: Path): void {
  const { report, calendar } = inspection;
  const given = forms.filter((form) => inspection.isWritten([...at, form]));
  if (given.length === 0) {
    report(at, "FIELD_MISSING", `${formatPath(at)} needs "cron", "interval" or "rrule": add one`);
  } else if (given.length > 1) {
    report(at, "FIELD_CONFLICT", `${formatPath(at)} has ${given.join(" and ")}: keep one, or make two schedules`);
  }
  const { cron, interval, rrule, timezone } = schedule;
  const say = (key: string, code: Finding["code"], fault: string | undefined): void => {
    if (fault !== undefined) report([...at, key], code, `${formatPath([...at, key])} ${fault}`);
  };
  if (cron !== undefined) say("cron", "CRON_INVALID", calendar.cronFault(cron));
  if (interval !== undefined && (parseIsoDuration(interval) ?? 0) < 1) {
    say("interval", "INTERVAL_INVALID", `${JSON.stringify(interval)} is shorter than a second`);
  }
  if (rrule !== undefined) {
    const fault = calendar.recurrenceFault(rrule);
    say("rrule", "RRULE_INVALID", fault && `is not a recurrence rule: ${fault}`);
  }
  if (timezone !== undefined) say("timezone", "TIMEZONE_UNKNOWN", calendar.zoneFault(timezone));
  for (const key of ["anchor", "startAt", "endAt"] as const) {
    const time = schedule[key];
    if (time !== undefined) say(key, "TIME_INVALID", timeFault(time));
  }
  say("endAt", "TIME_INVALID", orderFault(schedule));
}

// RFC 3339, section 5.6, with an offset: without one it would mean another time on each machine.
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)$/;

function timeFault(time: string): string | undefined {
  if (instant.test(time) && !Number.isNaN(Date.parse(time)) && isDay(time.slice(0, 10))) return undefined;
  return `${JSON.stringify(time.slice(0, 80))} is not a point in time such as 2026-01-01T00:00:00Z`;
}

/** `Date` takes the 30th of February for the 2nd of March. */
const isDay = (date: string): boolean => new Date(`${date}T00:00:00Z`).toISOString().startsWith(date);

function orderFault({ startAt, endAt }: Drafted<ScheduleSpec>): string | undefined {
  if (startAt === undefined || endAt === undefined || timeFault(startAt) || timeFault(endAt)) return undefined;
  return Date.parse(endAt) < Date.parse(startAt) ? `${endAt} is before startAt, ${startAt}: it never fires` : undefined;
}

function checkTimeout({ draft: { timeout }, report }: Inspection): void {
  if (timeout === undefined || parseDuration(timeout) !== 0) return;
  const message = `timeout ${JSON.stringify(timeout)} ends each run at once: give it longer, or leave it out for as long as it needs`;
  report(["timeout"], "DURATION_INVALID", message);
}

function checkParameters({ draft, report }: Inspection, problemsOf: ParameterCheck): void {
  const { parameters } = draft;
  const own = ownOf({ draft });
  if (parameters === undefined && !own.some(([entry]) => entry?.parameters !== undefined)) return;
  const schema = parameters?.schema ?? {};
  const values = parameters?.values ?? {};
  const found = problemsOf(schema, values);
  const isSchemaBroken = found.some(({ code }) => code !== "PARAMETER_INVALID");
  // A run by hand may be given what the file leaves open; a schedule must be.
  const wrong = found.filter((finding) => !isOpen(finding));
  for (const { path, at, code, message } of wrong) {
    report(["parameters", isSchemaBroken ? "schema" : "values", ...path], code, message, at);
  }
  if (isSchemaBroken) return;
  const told = new Set(wrong.map(({ message }) => message));
  for (const [entry, place] of own) {
    if (entry === null || (entry.parameters === undefined && found.length === 0)) continue;
    const at = [...place, ...(entry.parameters === undefined ? [] : ["parameters"])];
    for (const { path, at: part, code, message } of problemsOf(schema, { ...values, ...entry.parameters })) {
      // What is wrong with the job's own values is wrong in each of its schedules.
      if (!told.has(message)) report([...at, ...path], code, message, part);
    }
  }
  checkEventParameters({ draft, report }, schema);
}

type Own = readonly [Drafted<Pick<ScheduleSpec, "parameters">> | null, Path];

/** What starts runs without a person, with its place. */
const ownOf = ({ draft }: Pick<Inspection, "draft">): readonly Own[] => [
  ...(draft.schedules ?? []).map((schedule, index) => [schedule, ["schedules", index]] as const),
  ...followsOf(draft.after),
];

/** How a program is given its parameters: each in a variable of its own, and by the command's placeholders. */
function checkVariables(inspection: Inspection): void {
  const { draft, report } = inspection;
  const { schema = {}, values = {} } = draft.parameters ?? {};
  const declared = Object.keys(propertiesOf(schema));
  const own = ownOf(inspection);
  const names = new Set([
    ...declared,
    ...Object.keys(values),
    ...own.flatMap(([entry]) => Object.keys(entry?.parameters ?? {})),
    ...(draft.events ?? []).flatMap((event) => Object.keys(event?.parameters ?? {})),
  ]);
  for (const message of sharedVariables([...names])) report(["parameters"], "PARAMETER_VARIABLE", message);
  if (draft.command === undefined) return;
  try {
    withParameters(draft.command, names);
  } catch (error) {
    report(["command"], "PARAMETER_PLACE", messageOf(error));
  }
  // What is required and missing was told with the schema's other problems.
  const required = (schema as { readonly required?: unknown }).required;
  const isTold = (name: string): boolean => Array.isArray(required) && required.includes(name);
  const wanted = [...placeholdersOf(draft.command)].filter((name) => declared.includes(name) && !isTold(name));
  for (const [entry, at] of own) {
    if (entry === null) continue;
    const given = { ...values, ...entry.parameters };
    for (const name of wanted.filter((each) => !Object.hasOwn(given, each))) {
      report(at, "PARAMETER_INVALID", `the command wants {{ ${name} }}, and it has no value here: give it one`);
    }
  }
}

/** A parameter that no run may have cannot come from an event either. */
function checkEventParameters({ draft, report }: Pick<Inspection, "draft" | "report">, schema: object): void {
  const { additionalProperties } = schema as { readonly additionalProperties?: unknown };
  if (additionalProperties !== false) return;
  const known = Object.keys(propertiesOf(schema));
  for (const [index, event] of (draft.events ?? []).entries()) {
    for (const name of Object.keys(event?.parameters ?? {})) {
      if (known.includes(name)) continue;
      const message = `${JSON.stringify(name)} is no parameter of this job.${didYouMean(name, known)}`;
      report(["events", index, "parameters", name], "PARAMETER_INVALID", message, "key");
    }
  }
}
