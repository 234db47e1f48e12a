// An in-process `up` of five unchanged resources against (1) the same program under Pulumi's own mocks and (2) the
// real CLI's `stack.up` of as many built-in resources, on a file backend.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { LocalWorkspace } from "@pulumi/pulumi/automation/index.js";
import { startTestPostgres } from "../test/support/postgres-server.ts";
import { makeTestEngine, shop, Thing } from "../test/support/stacks.ts";
import { openDatabase } from "../src/store/database.ts";
import { makeStackStore } from "../src/store/stacks.ts";

const resources = 5;
const maxRatioToMocks = 2;
const minRatioToCli = 40;

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
      const startMs = performance.now();
      await run();
      times[which]?.push(performance.now() - startMs);
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

async function cliUp(): Promise<number | null> {
  const isThere = (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, "pulumi")));
  if (!isThere) return null;
  const folder = mkdtempSync(join(tmpdir(), "waybill-bench-"));
  const envVars = {
    PULUMI_HOME: join(folder, "home"),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "bench",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
  };
  try {
    const projectSettings = { name: "shop", runtime: "nodejs" as const, backend: { url: `file://${folder}` } };
    const stack = await LocalWorkspace.createOrSelectStack(
      { projectName: "shop", stackName: "production", program: builtIns },
      { workDir: folder, envVars, projectSettings },
    );
    await stack.up();
    const [upMs = Number.NaN] = await medians(5, [() => stack.up()]);
    return upMs;
  } finally {
    rmSync(folder, { recursive: true, force: true });
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
  const competitors = [underMocks, () => harness.engine.up(shop, program), () => stored.engine.up(shop, program)];
  await medians(50, competitors);
  const [mocksMs = 0, memoryMs = 0, storedMs = 0] = await medians(200, competitors);
  report("same program under Pulumi's mocks", { ours: memoryMs, theirs: mocksMs });
  report("the same, state in PostgreSQL", { ours: storedMs, theirs: mocksMs });
  const ratio = storedMs / mocksMs;
  isMissed ||= ratio > maxRatioToMocks;
  console.log(`ratio to mocks ${ratio.toFixed(2)} (wanted: at most ${maxRatioToMocks})`);
  await harness.engine.up({ ...shop, deployment: "built-ins" }, builtIns);
  const [builtInMs = 0] = await medians(50, [() => harness.engine.up({ ...shop, deployment: "built-ins" }, builtIns)]);
  const cliMs = await cliUp();
  if (cliMs === null) console.log("no pulumi on PATH: the comparison with the CLI is skipped");
  else {
    const faster = cliMs / builtInMs;
    isMissed ||= faster < minRatioToCli;
    report("the CLI's stack.up, built-in resources", { ours: builtInMs, theirs: cliMs });
    console.log(`faster than the CLI ${faster.toFixed(0)} times (wanted: at least ${minRatioToCli})`);
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
