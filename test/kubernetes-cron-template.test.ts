import assert from "node:assert/strict";
import { test } from "node:test";
import { program } from "../templates/kubernetes/job.ts";
import type { WorkloadOf } from "../templates/local/parts.ts";
import { Secret } from "../src/core/secret.ts";
import type { Properties } from "../src/engine/provider.ts";
import { scheduledProgram } from "../src/runs/order.ts";
import type { Place } from "../src/targets/kubernetes/place.ts";
import { cronJobsOf } from "../src/targets/kubernetes/schedules/cron-job.ts";
import { podResources } from "../src/targets/kubernetes/sizes.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { makeTestEngine, shop } from "./support/stacks.ts";
import { workloadOf } from "./support/workloads.ts";

const image = `r/report@sha256:${"0".repeat(64)}`;
const yaml = `kind: job
name: report
source: {image: "${image}"}
command: report --day {{ day }}
secrets: [{name: db, env: DATABASE_URL}]
parameters: {schema: {type: object}, values: {day: monday}}
schedules:
  - {name: nightly, cron: "0 2 * * 7", timezone: Europe/Berlin, parameters: {day: sunday}, catchUp: skip}
  - {name: pulse, interval: PT1M}
concurrency: {limit: 1, whenFull: cancel-running}
retries: {limit: 2}
history: {completed: 5}
timeout: 90s
`;

function placeOf(workload: WorkloadOf<"job">): Place {
  return {
    target: "cluster",
    server: "5e44e4",
    namespace: "shop--production",
    revision: "11111111",
    image,
    resources: podResources(workload.spec.size, []),
    source: null,
    secrets: new Map([["db", new Secret("postgres://secret")]]),
    replicas: 0,
    cronJobs: cronJobsOf(workload).made.map((each) => ({
      ...each,
      ...scheduledProgram(workload.spec, each.schedule),
      isSuspended: true,
    })),
  };
}

test("a cron schedule is a CronJob with all that its runs need", async () => {
  const { provider, calls } = makeRecordingProvider();
  using harness = makeTestEngine({ providers: { kubernetes: provider, waybill: provider } });
  const workload = workloadOf(yaml, { cronJobs: true }) as WorkloadOf<"job">;
  await harness.engine.up(shop, program(workload, placeOf(workload)));
  const made = calls.flatMap(({ method, inputs }) => (method === "create" && inputs ? [inputs] : []));
  assert.deepEqual(new Set(made.map(({ kind }) => kind)), new Set(["CronJob", "Secret"]));
  assert.equal(made.length, 2);
  const cronJob = made.find(({ kind }) => kind === "CronJob") as unknown as {
    metadata: { name: string; annotations: Properties };
    spec: Properties & { jobTemplate: { metadata: { labels: Properties }; spec: Properties } };
  };
  const { metadata, spec } = cronJob;
  assert.match(metadata.name, /^report-nightly-[0-9a-f]{8}$/);
  assert.deepEqual(metadata.annotations, { "pulumi.com/deletionPropagationPolicy": "orphan" });
  const { jobTemplate, ...when } = spec;
  assert.deepEqual(when, {
    schedule: "0 2 * * 0",
    timeZone: "Europe/Berlin",
    concurrencyPolicy: "Replace",
    startingDeadlineSeconds: 60,
    suspend: true,
    successfulJobsHistoryLimit: 5,
    failedJobsHistoryLimit: 100,
  });
  assert.equal(jobTemplate.metadata.labels["waybill.dev/schedule"], "nightly");
  const { template, ...job } = jobTemplate.spec as unknown as { template: { spec: Pod } };
  assert.deepEqual(job, { backoffLimit: 2, ttlSecondsAfterFinished: 604_800, activeDeadlineSeconds: 90 });
  const [main] = template.spec.containers;
  assert.equal(template.spec.restartPolicy, "Never");
  assert.deepEqual([template.spec.containers.length, template.spec.initContainers.length], [1, 0]);
  const env = Object.fromEntries(main.env.map(({ name, ...value }) => [name, value]));
  assert.deepEqual(env["WAYBILL_PARAM_DAY"], { value: "sunday" });
  assert.deepEqual(env["WAYBILL_SCHEDULE"], { value: "nightly" });
  assert.deepEqual(env["DATABASE_URL"], {
    valueFrom: { secretKeyRef: { name: `${metadata.name}-secrets`, key: "db" } },
  });
  assert.deepEqual(env["WAYBILL_RUN"], {
    valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-name']" } },
  });
  assert.doesNotMatch(JSON.stringify(await harness.engine.export(shop)), /postgres:/);
});

interface Pod {
  readonly restartPolicy: string;
  readonly initContainers: readonly unknown[];
  readonly containers: readonly [{ readonly env: readonly ({ readonly name: string } & object)[] }];
}
