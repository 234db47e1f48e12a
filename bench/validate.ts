// Checking 10,000 deployment files against the least that anybody would do: js-yaml and ajv, no positions, no rules.
import { Ajv2020 } from "ajv/dist/2020.js";
import { load } from "js-yaml";
import { defaultContext } from "../src/spec/context.ts";
import type { SourceFile } from "../src/spec/problem.ts";
import { formatProblem } from "../src/spec/problem.ts";
import { checkRepository } from "../src/spec/repository.ts";
import { deploymentSchema } from "../src/spec/schema/deployment.ts";
import { parseCarefully } from "../src/spec/text/careful.ts";
import { parseQuickly } from "../src/spec/text/quick.ts";

const count = 10_000;
const rounds = 9;
const wanted = 0.9;

const environment = `environments:
  staging:
    env: {LOG_LEVEL: debug}
`;

/** Deployments as teams write them, in the mix of a repository: most files are services, one in fifty uses an anchor. */
const shapes: readonly ((index: number) => string)[] = [
  (index) => `# yaml-language-server: $schema=../deploy.schema.json
apiVersion: waybill/v1
kind: service
description: Ranks products for page ${index}
tags: {team: search, cost-centre: "47${index % 90}"}
source: {path: services/ranker-${index}}
build: pip install -r requirements.txt --target .deps     # once per source tree
command: python -m ranker --shard ${index}
health: /healthz
size: gpu-small
replicas: {min: 0, max: ${(index % 4) + 1}, targetCpu: 70, idleAfter: 15m}
env:
  LOG_LEVEL: info
  SHARD: ${index}
  UPSTREAM: http://catalogue-${index % 30}
requiredEnv: [RANKER_KEY]
secrets:
  - {name: ranker-db, env: DATABASE_URL}
  - {name: tls-ca, file: /etc/ranker/ca.pem}
access: {visibility: signed-in, viewers: [group:search], public: [/healthz, /hooks/*]}
routes:
  - subdomain: ranker-admin-${index}
    port: 9000
    access: {visibility: viewers}
${environment}`,
  (index) => `apiVersion: waybill/v1
kind: service
command: node server.js
env:
  NODE_ENV: production
  INDEX: ${index}
${environment}`,
  (index) => `apiVersion: waybill/v1
kind: job
description: "Trains model ${index}"
command: |
  set -e
  python prepare.py --index ${index}
  python train.py
size: {cpu: 4, memory: 16Gi, gpu: {count: 1, type: h100}}
parameters:
  schema:
    type: object
    properties:
      epochs: {type: integer, minimum: 1}
      rate: {type: number}
      corpus: {type: string, enum: [small, large, shard-${index % 20}]}
    additionalProperties: false
  values: {epochs: 3, rate: 0.01}
schedules:
  - {name: nightly, cron: "${index % 60} 2 * * *", timezone: Europe/Berlin, parameters: {epochs: 10}, catchUp: latest}
  - {name: pulse, interval: PT15M, anchor: 2026-01-01T00:00:00Z}
concurrency: {limit: 1, whenFull: queue}
retries: {limit: 2, delay: 30s}
timeout: 2h
`,
  (index) => `apiVersion: waybill/v1
kind: worker
source:
  git:
    url: https://git.example.org/team/mailer-${index}.git
    ref: v1.${index}
command: python -m mailer
replicas: 2
env:
  QUEUE: mail-${index}
stopTimeout: 1m
`,
  (index) => `apiVersion: waybill/v1
kind: site
source: {path: docs/${index}}
build: npm ci && npm run build
folder: dist
access:
  visibility: public
`,
];

const anchored = (index: number): string => `apiVersion: waybill/v1
kind: worker
command: python -m mailer
env: &env
  QUEUE: mail-${index}
environments:
  staging:
    env: *env
`;

function corpus(): SourceFile[] {
  return Array.from({ length: count }, (_, index) => {
    const shape = index % 50 === 49 ? anchored : shapes[index % shapes.length];
    if (shape === undefined) throw new Error("no shape");
    return { path: `deployments/d-${index}.yaml`, bytes: Buffer.from(shape(index)) };
  });
}

// Compiled once, as ours is: a server checks for as long as it runs.
const validate = new Ajv2020({ allowUnionTypes: true, strictRequired: false }).compile(deploymentSchema);

function checkPlainly(files: readonly SourceFile[]): void {
  for (const { path, bytes } of files) {
    if (!validate(load(Buffer.from(bytes).toString("utf8")))) {
      throw new Error(`${path}: ${JSON.stringify(validate.errors)}`);
    }
  }
}

function checkOurs(files: readonly SourceFile[]): void {
  const [problem] = checkRepository(files, defaultContext).problems;
  if (problem !== undefined) throw new Error(formatProblem(problem));
}

/** Of processor time: what else the machine does is not measured. */
function milliseconds(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

// The quickest round is the one that other work on the machine disturbed least.
const best = (values: readonly number[]): number => Math.min(...values);

const files = corpus();
const ours: number[] = [];
const plain: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  plain.push(milliseconds(() => checkPlainly(files)));
  ours.push(milliseconds(() => checkOurs(files)));
}
const ratio = best(plain) / best(ours);
const texts = files.map(({ bytes }) => Buffer.from(bytes).toString("utf8"));
const readers = { quick: parseQuickly, "js-yaml": (text: string) => load(text), careful: parseCarefully };
const reading = Object.entries(readers).map(([name, read]) => {
  const times = Array.from({ length: 5 }, () => milliseconds(() => texts.forEach((text) => void read(text))));
  return `${name} ${best(times).toFixed(0)} ms`;
});
console.log(`reading them alone: ${reading.join(", ")}`);
const quick = files.filter(({ bytes }) => parseQuickly(Buffer.from(bytes).toString("utf8")) !== undefined).length;
console.log(
  `validate ${count} files: ${ratio.toFixed(2)}x of js-yaml + ajv (wanted >= ${wanted}x), ` +
    `${best(ours).toFixed(0)} ms against ${best(plain).toFixed(0)} ms, ${count - quick} files read by the yaml package`,
);
if (ratio < wanted) process.exitCode = 1;
