import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { RunView } from "../../src/runs/view.ts";
import { until } from "../support/served.ts";
import type { TargetWorld } from "../support/target-world.ts";

const patienceMs = 90_000;

/** A job's file; `more` is added as it is. As small as it gets: a cluster may be shared. */
export const job = (command: string, more = ""): string =>
  `apiVersion: waybill/v1\nkind: job\nsource: {path: jobs}\nsize: {cpu: 0.01, memory: 64Mi}\ncommand: ${JSON.stringify(command)}\n${more}`;

export async function runsOf({ served }: TargetWorld, name: string): Promise<readonly RunView[]> {
  const { runs } = (await served.json(["runs", name])) as { readonly runs: readonly RunView[] };
  return runs;
}

/** The newest run of a job once it has ended. */
export async function endedRun(world: TargetWorld, name: string): Promise<RunView> {
  await until(
    `the newest run of ${name} has ended`,
    async () => ((await runsOf(world, name))[0]?.endedAt ?? null) !== null,
    patienceMs,
  );
  const [run] = await runsOf(world, name);
  assert.ok(run);
  return run;
}

export const untilRunIs = (world: TargetWorld, name: string, state: string): Promise<void> =>
  until(`a run of ${name} is ${state}`, async () => (await runsOf(world, name))[0]?.state === state, patienceMs);

/** Pushes jobs, and waits until they can be run. */
export async function deployJobs(world: TargetWorld, files: Readonly<Record<string, string>>): Promise<void> {
  const { exitCode, stderr } = await world.shop.push(files);
  assert.equal(exitCode, 0, stderr);
  for (const path of Object.keys(files)) {
    const name = /^deployments\/(.*)\.yaml$/.exec(path)?.[1];
    if (name === undefined) continue;
    await until(
      `${name} is ready`,
      async () => {
        const { deployments } = (await world.served.json(["status", name])) as { deployments: { state: string }[] };
        return deployments[0]?.state === "ready";
      },
      patienceMs,
    );
  }
}

/** What a run is on every target: the same files, the same words. */
export function runBehaviours(open: () => Promise<TargetWorld>): void {
  let world: TargetWorld;
  before(async () => {
    world = await open();
    await world.shop.write({ "jobs/README": "the job's own\n" });
  });
  after(() => world?.close());
  const run = (name: string, ...args: string[]) => world.served.cli(["run", name, ...args], { cwd: world.shop.path });

  test("parameters reach it, and its result, its files and its log come back", async () => {
    const schema =
      "{type: object, properties: {epochs: {type: integer, minimum: 1}, name: {type: string}}, additionalProperties: false}";
    const command = `cat README; echo "epochs $WAYBILL_PARAM_EPOCHS of" {{ name }}; echo "$WAYBILL_PARAMETERS"; echo '{"loss": 0.5}' > "$WAYBILL_RESULT"; mkdir "$WAYBILL_OUTPUT/a"; echo m > "$WAYBILL_OUTPUT/a/model.txt"; ln -s /etc/passwd "$WAYBILL_OUTPUT/link"`;
    await deployJobs(world, {
      "deployments/train.yaml": job(command, `parameters: {schema: ${schema}, values: {epochs: 3, name: base}}\n`),
    });
    const said = await run("train", "--param", "epochs=10", "-p", 'name=$(id) `id` "x"', "--watch");
    assert.equal(said.status, 0, said.err + said.out);
    for (const line of ["the job's own", 'epochs 10 of $(id) `id` "x"', '{"name":"$(id) `id` \\"x\\"","epochs":10}']) {
      assert.ok(said.out.includes(line), `${line} in\n${said.out}`);
    }
    assert.match(said.out, /is Completed/);
    const [ended] = await runsOf(world, "train");
    assert.deepEqual(
      [ended?.result, ended?.files, ended?.exitStatus, ended?.attempt],
      [{ loss: 0.5 }, [{ path: "a/model.txt", bytes: 2 }], 0, 1],
    );
    const file = await fetch(`${world.served.url}/api/v1/runs/${ended?.id}/file?path=a/model.txt`, {
      headers: { authorization: `Bearer ${world.served.token}` },
    });
    assert.equal(await file.text(), "m\n");
    // Read again when nothing of it runs any more.
    const log = (await world.served.cli(["run-log", ended?.id ?? ""])).out;
    assert.equal(log.split("epochs 10").length, 2, log);
  });

  test("a failing run says why, is tried again, and is retried by a person", async () => {
    await deployJobs(world, {
      "deployments/fails.yaml": job("echo no such table; exit 3", "retries: {limit: 1, delay: 1s}\n"),
    });
    const said = await run("fails", "--watch");
    assert.equal(said.status, 1);
    assert.match(said.out, /is Failed after .*: exited with status 3/);
    assert.match(said.out, /no such table/);
    const [failed] = await runsOf(world, "fails");
    assert.deepEqual([failed?.state, failed?.attempt, failed?.exitStatus], ["Failed", 2, 3]);
    assert.equal((await world.served.cli(["retry", failed?.id ?? "", "--watch"])).status, 1);
    assert.equal((await runsOf(world, "fails"))[0]?.attempt, 3);
  });

  test("a start script comes first, and fails as itself", async () => {
    await deployJobs(world, {
      "deployments/start.yaml": job("echo ran", "startScript: echo warming; exit 4\n"),
    });
    await run("start");
    const ended = await endedRun(world, "start");
    assert.equal(ended.state, "Failed");
    assert.match(ended.reason, /the start script failed with status 4/);
  });

  test("one over its timeout is ended, also when it ignores that", async () => {
    await deployJobs(world, {
      "deployments/slow.yaml": job(
        `trap "" TERM; echo begun > "$WAYBILL_OUTPUT/part"; while :; do sleep 0.2; done`,
        "timeout: 2s\nstopTimeout: 1s\n",
      ),
    });
    await run("slow");
    const ended = await endedRun(world, "slow");
    assert.equal(ended.state, "TimedOut");
    assert.match(ended.reason, /longer than its timeout of 2 s/);
  });

  test("one at a time: the others wait, say for whom, follow in order, and a cancelled one makes room", async () => {
    await deployJobs(world, {
      "deployments/one.yaml": job("sleep 120", "concurrency: {limit: 1}\nstopTimeout: 2s\n"),
    });
    for (let count = 0; count < 3; count += 1) await run("one");
    await until("the first runs", async () => (await runsOf(world, "one"))[2]?.state === "Running", patienceMs);
    const [third, second, first] = await runsOf(world, "one");
    assert.ok(first && second && third);
    assert.equal(second.state, "AwaitingConcurrencySlot");
    assert.match((await world.served.cli(["runs", "one"])).out, new RegExp(`1 of 1 is held by run ${first.id}`));
    await world.served.json(["cancel", first.id]);
    await until("the second runs", async () => (await runsOf(world, "one"))[1]?.state === "Running", patienceMs);
    const states = (await runsOf(world, "one")).map(({ state }) => state);
    assert.deepEqual(states, ["AwaitingConcurrencySlot", "Running", "Cancelled"]);
    await world.served.json(["cancel", third.id]);
    await world.served.json(["cancel", second.id]);
    const areCancelled = async () => (await runsOf(world, "one")).every(({ state }) => state === "Cancelled");
    await until("all are cancelled", areCancelled, patienceMs);
    await until("nothing runs", async () => (await world.running("one")) === 0, patienceMs);
  });

  test("secrets of the file and of a run reach it", async () => {
    const set = (name: string, value: string) =>
      world.served.cli(["secret", "set", name], { cwd: world.shop.path, input: `${value}\n` });
    await set("db", "postgres-password");
    await set("key", "api-password");
    const schema = "{type: object, properties: {key: {type: string, writeOnly: true}}}";
    const command = `printf '["%s", "%s"]' "$DATABASE" "$WAYBILL_PARAM_KEY" > "$WAYBILL_RESULT"; echo "$WAYBILL_PARAM_KEY"; exit 1`;
    await deployJobs(world, {
      "deployments/secret.yaml": job(
        command,
        `secrets: [{name: db, env: DATABASE}]\nparameters: {schema: ${schema}, values: {}}\n`,
      ),
    });
    await run("secret", "-p", 'key={"secret": "key"}');
    const ended = await endedRun(world, "secret");
    assert.deepEqual(ended.result, ["postgres-password", "api-password"]);
    assert.match(ended.reason, /\[redacted\]/);
  });

  test("runs outlive the server, and are followed by the next", async () => {
    await deployJobs(world, {
      "deployments/long.yaml": job(
        `for i in 1 2 3 4 5 6; do echo "step $i"; sleep 1; done; echo '"done"' > "$WAYBILL_RESULT"`,
      ),
    });
    await run("long");
    await untilRunIs(world, "long", "Running");
    await world.served.stop();
    await world.start();
    const ended = await endedRun(world, "long");
    assert.deepEqual([ended.state, ended.result, ended.attempt], ["Completed", "done", 1]);
    const log = (await world.served.cli(["run-log", ended.id])).out;
    const steps = log.match(/step \d/g) ?? [];
    assert.deepEqual(steps, ["step 1", "step 2", "step 3", "step 4", "step 5", "step 6"], log);
  });
}
