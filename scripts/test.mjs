// Runs the tests: `npm test`, or `npm test -- FILE…`. Node's own runner, in an order and at a pace of ours.
import { globSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { PassThrough } from "node:stream";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { setTimeout as sleep } from "node:timers/promises";
import { globalSetup, globalTeardown } from "../test/support/global-setup.ts";

const least = availableParallelism();
const most = Math.min(2 * least + 1, 12);
// With more of them at once the cluster falls behind.
const mostOfCluster = 2;
// What a test uses comes and goes.
const lookMs = 2_000;
const idleEnough = 0.3;
const shownFiles = 15;

/** They mostly wait for it. */
const needsCluster = (file) =>
  /^test\/(kubernetes|deploy|serve-cli|engine-kubernetes|engine-cli-kubernetes)/.test(file);

const given = process.argv.slice(2);
// Short ones last: a run is over when its last file is.
const patterns = given.length > 0 ? given : ["test/**/*.test.ts", "src/**/*.test.ts"];
const files = patterns.flatMap((pattern) => globSync(pattern).toSorted());
const waiting = { cluster: files.filter(needsCluster), local: files.filter((file) => !needsCluster(file)) };
const running = { cluster: 0, local: 0 };
const counts = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 };
const took = [];
const told = new PassThrough({ objectMode: true });
const report = told.compose(spec);
report.pipe(process.stdout);

function nextKind() {
  if (waiting.cluster.length > 0 && running.cluster < mostOfCluster) return "cluster";
  return waiting.local.length > 0 ? "local" : null;
}

/** What a file says is told when it is over, for others run beside it. */
async function runNext(kind) {
  const file = waiting[kind].shift();
  running[kind] += 1;
  const startedAt = performance.now();
  const events = [];
  for await (const event of run({ files: [file], concurrency: 1 })) {
    const { type, data } = event;
    if (type === "test:fail" && (data.todo === undefined || data.todo === false)) process.exitCode = 1;
    if (data.file !== undefined) events.push(event);
    else if (type === "test:summary") for (const name of Object.keys(counts)) counts[name] += data.counts[name];
  }
  for (const event of events) told.write(event);
  took.push({ file, seconds: Math.round((performance.now() - startedAt) / 1_000) });
  running[kind] -= 1;
}

async function runAll() {
  for (let kind = nextKind(); kind !== null; kind = nextKind()) await runNext(kind);
}

function spent() {
  const times = cpus().map((one) => one.times);
  const idle = times.reduce((sum, one) => sum + one.idle, 0);
  return { idle, all: times.reduce((sum, { user, nice, sys, irq }) => sum + user + nice + sys + irq, idle) };
}

/** More at once while processors are idle: whoever waits for something leaves them to others. */
async function fillUp(signal) {
  const more = [];
  while (!signal.aborted) {
    const before = spent();
    await sleep(lookMs, undefined, { signal }).catch(() => undefined);
    const after = spent();
    const isIdle = after.idle - before.idle > idleEnough * (after.all - before.all);
    const kind = isIdle && running.cluster + running.local < most ? nextKind() : null;
    if (kind !== null) more.push(runNext(kind));
  }
  await Promise.all(more);
}

const tell = (message) => told.write({ type: "test:diagnostic", data: { nesting: 0, message } });

await globalSetup();
for (const signal of ["SIGINT", "SIGTERM"])
  process.once(signal, () => void globalTeardown().finally(() => process.exit(1)));
try {
  const over = new AbortController();
  const filling = fillUp(over.signal);
  await Promise.all(Array.from({ length: least }, runAll));
  over.abort();
  await filling;
} finally {
  await globalTeardown();
}
const longest = took.toSorted((a, b) => b.seconds - a.seconds).slice(0, shownFiles);
tell(`longest: ${longest.map(({ file, seconds }) => `${file} ${seconds} s`).join(", ")}`);
for (const [name, count] of Object.entries(counts)) tell(`${name} ${count}`);
tell(`seconds ${Math.round(performance.now() / 1_000)}`);
told.end();
await finished(report, { writable: false });
