// From an API call to the started process, beside the bare start of the same process, and beside Prefect's server with a
// process worker where WAYBILL_TEST_PREFECT_PYTHON names a Python that has it. Usage: node bench/run-start.ts [rounds]
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { removeTree } from "../test/support/local-target.ts";
import { startWithClone, until } from "../test/support/served.ts";
import { freePort } from "../test/support/server-process.ts";
import { median, ratioLine } from "./support.ts";

const rounds = Number(process.argv[2] ?? 40);
const prefectRounds = 7;
const python = process.env["WAYBILL_TEST_PREFECT_PYTHON"];
const round = (value: number): number => Number(value.toFixed(1));

const folder = mkdtempSync(join(tmpdir(), "waybill-bench-start-"));
const mark = join(folder, "mark");
const timeOfMark = (): number => statSync(mark, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const ended = (child: ChildProcess): Promise<void> => new Promise((resolve) => child.once("exit", () => resolve()));

try {
  const { bare, waybill } = await measureWaybill();
  const beyond = median(waybill) - median(bare);
  console.log(
    `call to process started, p50: ${round(median(waybill))} ms; the same process bare: ${round(median(bare))} ms`,
  );
  console.log(`beyond the bare start: ${round(beyond)} ms (wanted at most 50)`);
  if (beyond > 50) process.exitCode = 1;
  if (python === undefined) {
    console.log("WAYBILL_TEST_PREFECT_PYTHON names no Python that has prefect: left out");
  } else {
    const prefect = await measurePrefect(python);
    console.log(`the same by Prefect, p50: ${round(median(prefect))} ms`);
    const ratio = median(prefect) / median(waybill);
    console.log(ratioLine("sooner than Prefect", { ratio, wanted: "at least 100", competitor: "Waybill's time" }));
    if (ratio < 100) process.exitCode = 1;
  }
} finally {
  removeTree(folder);
}

/** Of a call, to the file's touch by the process that it leads to. */
async function timeToMark(call: () => unknown): Promise<number> {
  const before = timeOfMark();
  const from = performance.timeOrigin + performance.now();
  await call();
  while (timeOfMark() === before) await sleep(1);
  return timeOfMark() - from;
}

async function measureWaybill(): Promise<{ bare: readonly number[]; waybill: readonly number[] }> {
  const { served, clone } = await startWithClone("shop", { stopWorkloads: true });
  try {
    const job = `apiVersion: waybill/v1\nkind: job\nsource: {path: jobs}\ncommand: touch ${mark}\n`;
    await clone.push({ "jobs/README": "x\n", "deployments/touch.yaml": job });
    const path = "/repositories/shop/environments/production/deployments/touch/runs";
    const call = async (): Promise<number> => (await served.api("POST", path, {})).status;
    await until("the job is there", async () => (await call()) === 201);
    const [bare, waybill]: [number[], number[]] = [[], []];
    for (let index = 0; index < rounds; index += 1) {
      await sleep(100);
      bare.push(await timeToMark(() => void spawn("touch", [mark], { stdio: "ignore" })));
      await sleep(100);
      waybill.push(await timeToMark(call));
    }
    return { bare, waybill };
  } finally {
    await served.close();
  }
}

/** As its documentation sets it up: a server, a process pool, one worker with its own defaults. */
async function measurePrefect(interpreter: string): Promise<readonly number[]> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/api`;
  const env = {
    PATH: `${dirname(interpreter)}:${process.env["PATH"]}`,
    HOME: folder,
    PREFECT_HOME: join(folder, "prefect"),
    PREFECT_API_URL: url,
    PREFECT_SERVER_ANALYTICS_ENABLED: "false",
    DO_NOT_TRACK: "1",
  };
  const started: ChildProcess[] = [];
  const run = (...args: readonly string[]): ChildProcess => {
    const child = spawn(join(dirname(interpreter), "prefect"), args, { cwd: folder, env, stdio: "ignore" });
    started.push(child);
    return child;
  };
  const post = async (path: string, body: unknown): Promise<Readonly<Record<string, string>>> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`Prefect answered ${answer.status} to ${path}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, string>;
  };
  try {
    run("server", "start", "--host", "127.0.0.1", "--port", String(port));
    await waitFor(() => fetch(`${url}/health`).then(({ ok }) => ok));
    writeFileSync(join(folder, "flow.py"), "from prefect import flow\n\n@flow\ndef touch():\n    pass\n");
    await ended(run("work-pool", "create", "bench", "--type", "process"));
    const flow = await post("/flows/", { name: "touch" });
    const deployment = await post("/deployments/", {
      name: "touch",
      flow_id: flow["id"],
      work_pool_name: "bench",
      entrypoint: "flow.py:touch",
      path: folder,
      job_variables: { command: `touch ${mark}` },
    });
    run("worker", "start", "--pool", "bench");
    const times: number[] = [];
    for (let index = 0; index <= prefectRounds; index += 1) {
      // At any moment of its worker's interval.
      await sleep(1_000 * ((index * 7) % 10));
      const path = `/deployments/${deployment["id"]}/create_flow_run`;
      const took = await timeToMark(() => post(path, { state: { type: "SCHEDULED" } }));
      // The first waits for the worker to come up.
      if (index > 0) times.push(took);
    }
    return times;
  } finally {
    for (const child of started.toReversed()) await end(child);
  }
}

async function waitFor(isThere: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries += 1) {
    if (await isThere().catch(() => false)) return;
    await sleep(200);
  }
  throw new Error("Prefect's server did not come up within two minutes");
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = ended(child);
  child.kill("SIGTERM");
  const killing = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await over;
  clearTimeout(killing);
}
