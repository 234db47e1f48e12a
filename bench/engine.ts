// An in-process `up` of five unchanged resources against (1) the same program under Pulumi's own mocks and (2) the
// real CLI's `stack.up` of as many built-in resources, on a file backend. Then the driver of the CLI, for the same
// program on a backend of its own, against `stack.up` as it comes, and as it is once it looks for no plugins.
import { asShipped } from "./as-shipped.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { cliSkip, makeCliTestEngine } from "../test/support/cli-engine.ts";
import { startTestPostgres } from "../test/support/postgres-server.ts";
import { makeTestEngine, shop, Thing } from "../test/support/stacks.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeStackStore } from "../src/store/stacks.ts";
import { timed } from "./support.ts";

const resources = 5;
const maxRatioToMocks = 2;
const minRatioToCli = 40;
const maxRatioOfDriver = 0.5;
const cliRuns = 5;

const fromHere = createRequire(import.meta.url);
const stackModule = fromHere("@pulumi/pulumi/runtime/stack.js") as {
  runInPulumiStack(program: () => Promise<unknown>): Promise<unknown>;
};
const stateModule = fromHere("@pulumi/pulumi/runtime/state.js") as {
  withLocalStorage<Result>(callback: () => Promise<Result>): Promise<Result>;
};

const program = async () => {
  const outputs: Record<string, unknown> = {};
  let previous: Thing | undefined;
  for (let index = 0; index < resources; index++) {
    const inputs = { size: index, labels: { app: ["shop", "ranker"] }, of: previous?.address ?? "" };
    previous = new Thing(`thing-${index}`, inputs);
    outputs[`thing-${index}`] = previous.address;
  }
  return outputs;
};

const underMocks = () =>
  stateModule.withLocalStorage(async () => {
    const newResource = ({ name, inputs }: pulumi.runtime.MockResourceArgs) => ({
      id: `${name}-id`,
      state: { ...(inputs as object), address: "http://x" },
    });
    await pulumi.runtime.setMocks({ newResource, call: () => ({}) }, "shop", "production", false, "organization");
    await stackModule.runInPulumiStack(program);
  });

/** Medians in milliseconds. The competitors take turns, so that what else the machine does hits all of them. */
async function medians(runs: number, competitors: readonly (() => Promise<unknown>)[]): Promise<readonly number[]> {
  const times = competitors.map((): number[] => []);
  for (let index = 0; index < runs; index++) {
    for (const [which, run] of competitors.entries()) {
      times[which]?.push(await timed(run));
    }
  }
  return times.map((each) => each.toSorted((left, right) => left - right)[runs >> 1] ?? Number.NaN);
}

/** Components are the built-in resources that need no plugin. */
const builtIns = async () => {
  const components = Array.from(
    { length: resources },
    (_, i) => new pulumi.ComponentResource("shop:index:Part", `p${i}`),
  );
  return { urns: components.map(({ urn }) => urn) };
};

interface CliTimes {
  readonly driverMs: number;
  /** `stack.up` of the Automation API, out of the box. */
  readonly upMs: number;
  /** The same, told not to look for plugins at every operation. */
  readonly quietMs: number;
}

const openStack = async (folder: string, more: Record<string, string>) => {
  const envVars = {
    PULUMI_HOME: join(folder, "home"),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    ...more,
  };
  const projectSettings = { name: "shop", runtime: "nodejs" as const, backend: { url: `file://${folder}` } };
  return LocalWorkspace.createOrSelectStack(
    { projectName: "shop", stackName: "production", program: builtIns },
    { workDir: folder, envVars, projectSettings },
  );
};

async function cliTimes(): Promise<CliTimes | null> {
  if (cliSkip !== false) return null;
  const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), "waybill-bench-")));
  const [plain = "", quieted = ""] = folders;
  using driver = makeCliTestEngine();
  try {
    const stack = await openStack(plain, {});
    const quiet = await openStack(quieted, { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" });
    const competitors = [() => driver.engine.up(shop, builtIns), () => stack.up(), () => quiet.up()];
    await medians(1, competitors);
    const [driverMs = Number.NaN, upMs = Number.NaN, quietMs = Number.NaN] = await medians(cliRuns, competitors);
    return { driverMs, upMs, quietMs };
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
}

const server = await startTestPostgres();
const template = new URL(server.url);
template.pathname = "/waybill_template";
const database = await openDatabase(template.href);
const harness = makeTestEngine();
const stored = makeTestEngine({ store: makeStackStore(database.db) });
let isMissed = false;
try {
  for (const { engine } of [harness, stored]) await engine.up(shop, program);
  const competitors = [
    () => asShipped(underMocks),
    () => harness.engine.up(shop, program),
    () => stored.engine.up(shop, program),
  ];
  await medians(50, competitors);
  const [mocksMs = 0, memoryMs = 0, storedMs = 0] = await medians(200, competitors);
  report("same program under Pulumi's mocks", { ours: memoryMs, theirs: mocksMs });
  report("the same, state in PostgreSQL", { ours: storedMs, theirs: mocksMs });
  const ratio = storedMs / mocksMs;
  isMissed ||= ratio > maxRatioToMocks;
  console.log(`ratio to mocks ${ratio.toFixed(2)} (wanted: at most ${maxRatioToMocks})`);
  await harness.engine.up({ ...shop, deployment: "built-ins" }, builtIns);
  const [builtInMs = 0] = await medians(50, [() => harness.engine.up({ ...shop, deployment: "built-ins" }, builtIns)]);
  const times = await cliTimes();
  if (times === null) console.log(`${cliSkip}: the comparison with the CLI is skipped`);
  else {
    const { driverMs, upMs, quietMs } = times;
    const faster = upMs / builtInMs;
    const ratioOfDriver = driverMs / upMs;
    isMissed ||= faster < minRatioToCli || ratioOfDriver > maxRatioOfDriver;
    report("the CLI's stack.up, built-in resources", { ours: builtInMs, theirs: upMs });
    console.log(`faster than the CLI ${faster.toFixed(0)} times (wanted: at least ${minRatioToCli})`);
    report("driver of the CLI, against stack.up", { ours: driverMs, theirs: upMs });
    console.log(`ratio to stack.up ${ratioOfDriver.toFixed(2)} (wanted: at most ${maxRatioOfDriver})`);
    report("the same, against stack.up that looks for no plugins", { ours: driverMs, theirs: quietMs });
    console.log(`ratio to that ${(driverMs / quietMs).toFixed(2)}`);
  }
} finally {
  harness.engine.close();
  stored.engine.close();
  await database.close();
  await server.stop();
}
process.exitCode = isMissed ? 1 : 0;

function report(what: string, { ours, theirs }: { readonly ours: number; readonly theirs: number }): void {
  console.log(`${what}: ours ${ours.toFixed(2)} ms, theirs ${theirs.toFixed(2)} ms`);
}
