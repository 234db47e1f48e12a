import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../src/core/package-root.ts";
import { ask } from "./support/ask.ts";
import { workingCopy, type WorkingCopy } from "./support/repository.ts";
import { programsBelow } from "./support/served.ts";
import { freePort, newToken, startServerProcess, type ServerProcess } from "./support/server-process.ts";
import { until } from "./support/until.ts";

// Kill -9 of the server after each durable effect of a deploy: a start brings the same end state, nothing is doubled,
// and the deployment answers all the while.

const preload = [join(packageRoot, "test/support/crash-preload.mjs")];

let folder: string;
let data: string;
let crashFile: string;
let port: number;
let work: WorkingCopy;
const token = newToken();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "waybill-crash-"));
  await chmod(folder, 0o711);
  data = join(folder, "data");
  crashFile = join(folder, "crash");
  port = await freePort();
  work = await workingCopy(join(folder, "work"));
  await work.git("remote", "add", "origin", `http://localhost:${port}/git/app.git`);
  await work.git("config", "http.extraHeader", `Authorization: Bearer ${token}`);
});

after(async () => {
  // The last start takes everything along that outlived the crashes.
  await (await start(true)).stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const start = (stopWorkloads = false): Promise<ServerProcess> =>
  startServerProcess({ data, port, token, stopWorkloads, preload, env: { WAYBILL_CRASH_FILE: crashFile } });

const spec = `apiVersion: waybill/v1
kind: service
source: {path: app}
command: node main.js
access: {visibility: public}
`;
const program = (version: number): string =>
  `require("node:http").createServer((request, response) => response.end("version ${version}")).listen(process.env.PORT);\n`;

async function commit(version: number): Promise<string> {
  await work.write({ "deployments/app.yaml": spec, "app/main.js": program(version) });
  return work.commit(`version ${version}`);
}

const get = () => ask({ port, host: `app.localhost:${port}` });

/** Programs that run from the data folder. */
const programs = async (): Promise<number> =>
  (await programsBelow(data)).filter(({ command }) => command === "node main.js").length;

const tags = async (): Promise<readonly string[]> =>
  (await work.git("--git-dir", join(data, "repositories/app.git"), "tag", "--list", "waybill/*"))
    .split("\n")
    .filter(Boolean);

interface Crash {
  readonly crashed: boolean;
  readonly wasAccepted: boolean;
  /** The server that came after. */
  readonly next: ServerProcess;
}

async function crashAt(server: ServerProcess, effect: number, version: number): Promise<Crash> {
  await writeFile(crashFile, String(effect));
  const head = await commit(version);
  const tagsBefore = (await tags()).length;
  await work.tryGit("push", "--quiet", "origin", "main");
  await until("the effect or the end of the deploy", async () => {
    return server.child.signalCode !== null || (await get()).body === `version ${version}`;
  });
  // Effects go on after the new version answers: the old one is drained.
  for (let wait = 0; wait < 20 && server.child.signalCode === null; wait += 1) await sleep(25);
  await rm(crashFile, { force: true });
  const crashed = server.child.signalCode === "SIGKILL";
  await server.stop();
  const received = await work.tryGit("--git-dir", join(data, "repositories/app.git"), "rev-parse", "main");
  const wasAccepted = received.stdout.trim() === head;
  const next = await start();
  // What Git took is deployed without anybody's doing; what it did not take can be pushed again.
  if (!wasAccepted) await work.git("push", "--quiet", "origin", "main");
  await until(`version ${version} after a crash at effect ${effect}`, async () => {
    return (await get()).body === `version ${version}` && (await programs()) === 1;
  });
  await sleep(100);
  assert.equal(await programs(), 1, `programs after a crash at effect ${effect}`);
  assert.equal((await tags()).length, tagsBefore + 1, `snapshots after a crash at effect ${effect}`);
  return { crashed, wasAccepted, next };
}

test(
  "a kill between any two durable effects of a deploy changes nothing but the time it takes",
  { timeout: 400_000 },
  async (t) => {
    if (process.platform !== "linux") return t.skip("counting programs needs /proc");
    const first = await start();
    await commit(0);
    await work.git("push", "--quiet", "origin", "main");
    await until("version 0", async () => (await get()).body === "version 0");
    await first.stop();

    const total = await countEffects();
    const points = spread(total, wantedPoints);
    const stopped = new AbortController();
    const watching = watchAnswers(stopped.signal);
    let accepted = 0;
    let server = await start();
    try {
      for (const [index, effect] of points.entries()) {
        const { crashed, wasAccepted, next } = await crashAt(server, effect, index + 2);
        server = next;
        if (crashed && wasAccepted) accepted += 1;
      }
    } finally {
      stopped.abort();
      await server.stop();
    }
    const { count, failures } = await watching;
    t.diagnostic(
      `${total} effects; ${points.length} kills, ${accepted} after the push was accepted; ${count} requests`,
    );
    assert.ok(accepted >= 10, `only ${accepted} points after the push was accepted`);
    assert.deepEqual(failures, []);
  },
);

const wantedPoints = Number(process.env["WAYBILL_TEST_CRASH_POINTS"] ?? 16);

/** Up to `count` of the numbers from 1 to `total`, evenly spread. Which ones shifts with the day, so that in time all are met. */
function spread(total: number, count: number): readonly number[] {
  const step = Math.max(1, total / count);
  const shift = new Date().getUTCDate() % Math.ceil(step);
  const numbers = Array.from({ length: count }, (_, index) => 1 + Math.floor(index * step) + shift);
  return [...new Set(numbers.filter((number) => number <= total))];
}

/** A deploy without a crash, to know how many effects there are. */
async function countEffects(): Promise<number> {
  const server = await start();
  await writeFile(crashFile, "0");
  await commit(1);
  await work.git("push", "--quiet", "origin", "main");
  await until("version 1", async () => (await get()).body === "version 1");
  await rm(crashFile, { force: true });
  await server.stop();
  return (await readFile(`${crashFile}.effects`, "utf8")).trim().split("\n").length;
}

/** Asks the deployment all the time; it must answer through every crash. */
async function watchAnswers(signal: AbortSignal): Promise<{ count: number; failures: string[] }> {
  const failures: string[] = [];
  let count = 0;
  while (!signal.aborted) {
    count += 1;
    await get().then(
      ({ status, body }) => status !== 200 && failures.push(`${status} ${body.slice(0, 200)}`),
      (error: Error) => failures.push(error.message),
    );
    await sleep(20);
  }
  return { count, failures };
}
