import assert from "node:assert/strict";
import { test } from "node:test";
import { workloadOf } from "../../../../test/support/workloads.ts";
import { cronJobNotices, cronJobsOf, timeOfJob, whoReplaced } from "./cron-job.ts";

const image = `registry.example.com/report@sha256:${"0".repeat(64)}`;
const job = (schedules: string, more = "", source = `{image: "${image}"}`) =>
  workloadOf(`kind: job\nname: report\nsource: ${source}\ncommand: ./report\nschedules: [${schedules}]\n${more}`, {
    cronJobs: true,
  });
const nightly = '{name: nightly, cron: "0 2 * * *", timezone: Europe/Berlin}';
const made = (...args: Parameters<typeof job>) => cronJobsOf(job(...args)).made[0];
const whyLeft = (...args: Parameters<typeof job>) => cronJobsOf(job(...args)).left[0]?.reason;

test("a cron schedule of an image is a CronJob", () => {
  const { name, schedule, ...rest } = made(nightly) ?? {};
  assert.match(name ?? "", /^report-nightly-[0-9a-f]{8}$/);
  assert.equal(schedule?.name, "nightly");
  assert.deepEqual(rest, {
    cron: "0 2 * * *",
    timeZone: "Europe/Berlin",
    concurrencyPolicy: "Allow",
    startingDeadlineSeconds: 604_800,
  });
});

test("another rule is another CronJob; another program, another parameter or a pause is the same", () => {
  const name = made(nightly)?.name;
  assert.notEqual(made(nightly.replace("0 2", "0 3"))?.name, name);
  assert.notEqual(made(nightly.replace("Berlin", "Paris"))?.name, name);
  assert.equal(made(nightly.replace("}", ", active: false, parameters: {a: 1}}"), "env: {A: b}\n")?.name, name);
});

test("its name leaves room for what Kubernetes puts after it", () => {
  const long = nightly.replace("nightly", "n".repeat(40));
  assert.ok((made(long)?.name.length ?? 99) <= 40);
});

test("limits and catching up become what Kubernetes has for them", () => {
  const policy = (more: string, schedule = nightly) => {
    const { concurrencyPolicy, startingDeadlineSeconds } = made(schedule, more) ?? {};
    return [concurrencyPolicy, startingDeadlineSeconds];
  };
  const skipping = nightly.replace("}", ", catchUp: skip}");
  assert.deepEqual(policy("concurrency: {limit: 1}\n"), ["Forbid", 604_800]);
  assert.deepEqual(policy("concurrency: {limit: 1, whenFull: cancel-running}\n"), ["Replace", 604_800]);
  assert.deepEqual(policy("concurrency: {limit: 1, whenFull: skip}\n", skipping), ["Forbid", 15]);
  assert.deepEqual(policy("", skipping), ["Allow", 60]);
  assert.deepEqual(policy("", nightly.replace("}", ", catchUpMaxAge: 1h}")), ["Allow", 3_600]);
});

test("what a CronJob cannot do stays with the server, and says why", () => {
  const with_ = (field: string): string => nightly.replace("}", `, ${field}}`);
  assert.match(whyLeft(nightly, "", "{path: .}") ?? "", /^its source is fetched from the server/);
  assert.equal(whyLeft("{name: pulse, interval: PT15M}"), "it is an interval");
  assert.equal(whyLeft('{name: end, rrule: "FREQ=MONTHLY"}'), "it is an rrule");
  assert.equal(whyLeft(with_("startAt: 2026-01-01T00:00:00Z")), "it has startAt");
  assert.equal(whyLeft(with_("endAt: 2026-01-01T00:00:00Z")), "it has endAt");
  assert.equal(whyLeft(with_("jitter: 5m")), "it has jitter");
  assert.match(whyLeft(with_("catchUp: all")) ?? "", /the latest time only/);
  assert.match(whyLeft(nightly, "concurrency: {limit: 2}\n") ?? "", /no limit but one/);
  assert.match(whyLeft(nightly, "concurrency: {shared: {database: 1}}\n") ?? "", /shared with other jobs/);
  assert.match(whyLeft(nightly, "concurrency: {limit: 1, whenFull: skip}\n") ?? "", /needs catchUp: skip/);
  assert.match(whyLeft(with_("parameters: {key: {secret: api-key}}")) ?? "", /parameter key is a secret/);
});

test("without the setting the server fires all", () => {
  assert.deepEqual(cronJobsOf({ ...job(nightly), cronJobs: undefined } as never), { made: [], left: [] });
});

test("the plan says who fires what, and what is other than the file says", () => {
  const mixed = `${nightly}, {name: pulse, interval: PT15M}`;
  assert.deepEqual(cronJobNotices(job(mixed, "concurrency: {limit: 1}\nretries: {limit: 2, delay: 1m}\n")), [
    "nightly: fired by a CronJob: results and files of these runs are not kept",
    "schedule pulse is fired by the server, not by a CronJob: it is an interval",
    "CronJobs: the limit counts for each schedule by itself, and of the times that wait only the latest is run",
    "CronJobs: Kubernetes tries again after 10 s, 20 s and so on, whatever the delay",
    "CronJobs: when the clock is set for summer or back, times that it skips are not run, and those that it shows twice are run twice: nightly",
  ]);
});

test("a Job's name says the time that it was made for", () => {
  assert.equal(timeOfJob("report-nightly-1a2b3c4d-29384760")?.toISOString(), "2025-11-14T02:00:00.000Z");
  assert.equal(timeOfJob("run-mi0abc-1"), null);
});

test("a Job that is gone was replaced by the next one of its CronJob, where that replaces", () => {
  const replacing = job(nightly, "concurrency: {limit: 1, whenFull: cancel-running}\n");
  const [{ name } = { name: "" }] = cronJobsOf(replacing).made;
  const there = [`${name}-29000030`, `${name}-29000020`, `${name}-29000005`, `${name}-by-hand`, "other-1-29000015"];
  assert.equal(whoReplaced(`${name}-29000010`, there, replacing), `${name}-29000020`);
  assert.equal(whoReplaced(`${name}-29000030`, there, replacing), null);
  assert.equal(whoReplaced("other-1-29000010", there, replacing), null);
  assert.equal(whoReplaced(`${name}-29000010`, there, job(nightly)), null);
});
