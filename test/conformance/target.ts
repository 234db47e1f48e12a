import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "../support/served.ts";
import { deploy, statusOf, textLines, untilState, type TargetWorld } from "../support/target-world.ts";

const patienceMs = 90_000;

/** What a deployment is on every target: the same files, the same words. */
export function targetBehaviours(open: () => Promise<TargetWorld>): void {
  let world: TargetWorld;
  before(async () => {
    world = await open();
  });
  after(() => world?.close());

  const body = async (path = "/"): Promise<string> => (await world.served.get("web", path)).body;

  test("a push is live when it says so, behind its address", async () => {
    const said = await deploy(world, "web", { text: "one" });
    assert.match(said, /\+ create service web/);
    assert.match(said, /web +ready +http:\/\/web\./);
    assert.equal(await body(), "one");
    const { state, reason, snapshot } = await statusOf(world, "web");
    assert.deepEqual({ state, reason, snapshot }, { state: "ready", reason: "", snapshot: "waybill/production/1" });
    assert.equal(await world.running("web"), 1);
  });

  test("what changes nothing, or only who may look, restarts nothing", async () => {
    const startedAs = await body("/env?name=HOSTNAME");
    const pid = await body("/pid");
    await world.shop.push({ "README.md": "words" });
    const said = await deploy(world, "web", { text: "one", more: "description: changed\n" });
    assert.match(said, /~ update service web/);
    assert.deepEqual([await body("/pid"), await body("/env?name=HOSTNAME")], [pid, startedAs]);
    assert.equal(await world.running("web"), 1);
  });

  test("a new revision takes over without a lost request, and a rollback brings the whole old one back", async () => {
    const load = new AbortController();
    const answers: string[] = [];
    const loading = (async () => {
      while (!load.signal.aborted) {
        const { status, body: text } = await world.served.get("web");
        answers.push(`${status} ${text}`);
      }
    })();
    await deploy(world, "web", { text: "two", more: "description: changed\n" });
    assert.equal(await body(), "two");
    await world.served.json(["rollback", "production"], { cwd: world.shop.path });
    await until("the old one", async () => (await body()) === "one", patienceMs);
    load.abort();
    await loading;
    assert.deepEqual([...new Set(answers)].sort(), ["200 one", "200 two"]);
    await world.served.json(["release", "production"], { cwd: world.shop.path });
  });

  test("a revision that does not come to answer never takes the route, and says why", async () => {
    const yaml = (await world.shop.git("show", "HEAD:deployments/web.yaml")).concat("\n");
    const { stderr } = await world.shop.push({
      "deployments/web.yaml": yaml,
      "web/main.js": 'console.log("no database"); process.exit(3);\n',
    });
    assert.match(stderr, /web +failed/);
    const { state, reason } = await statusOf(world, "web");
    assert.equal(state, "failed");
    assert.match(reason, /(?:crashed|exited) .*status 3/);
    assert.match(reason, /no database/);
    assert.match(reason, /What ran before keeps running\./);
    assert.equal(await body(), "one");
    await deploy(world, "web", { text: "three" });
    assert.equal(await body(), "three");
  });

  test("a worker that takes seconds to crash at its start is never live", async () => {
    const { stderr } = await world.shop.push({
      "deployments/queue.yaml":
        "apiVersion: waybill/v1\nkind: worker\nsource: {path: queue}\ncommand: node main.js\nsize: {cpu: 0.02, memory: 64Mi}\n",
      "queue/main.js": 'setTimeout(() => { console.log("no queue"); process.exit(5); }, 3_000);\n',
    });
    assert.match(stderr, /queue +failed/);
    const { state, reason } = await statusOf(world, "queue");
    assert.equal(state, "failed");
    assert.match(reason, /crashed after \S+ s with status 5/);
    assert.match(reason, /no queue/);
    assert.equal(await body(), "three");
  });

  test("logs are what the program says", async () => {
    const lines = await textLines(world, "web");
    assert.ok(
      lines.some((line) => line.endsWith("listening")),
      lines.join("\n"),
    );
  });

  test("paused, nothing runs and whoever asks is told why; resumed, it answers", async () => {
    const before = await body();
    await world.served.json(["pause", "web", "--note", "the fair"], { cwd: world.shop.path });
    await untilState(world, "web", "paused");
    await until("it says so", async () => /paused by .*the fair/.test(await body()), patienceMs);
    assert.equal((await world.served.get("web")).status, 503);
    await until("nothing runs", async () => (await world.running("web")) === 0, patienceMs);
    await world.served.json(["resume", "web"], { cwd: world.shop.path });
    await until("it answers", async () => (await body()) === before, patienceMs);
  });

  test("a secret reaches the program, and another value is another revision", async () => {
    const setKey = (value: string) =>
      world.served.cli(["secret", "set", "key"], { cwd: world.shop.path, input: `${value}\n` });
    await setKey("first");
    await deploy(world, "web", { text: "three", more: "secrets: [{name: key, env: KEY}]\n" });
    assert.equal(await body("/env?name=KEY"), "first");
    await setKey("second");
    await until("the new value", async () => (await body("/env?name=KEY")) === "second", patienceMs);
  });

  test("a removed file removes what runs, and its address", async () => {
    await world.shop.git("rm", "--quiet", "deployments/web.yaml");
    await world.shop.write({ "deployments/other.yaml": "apiVersion: waybill/v1\nkind: job\ncommand: x\n" });
    const { exitCode, stderr } = await world.shop.push({});
    assert.equal(exitCode, 0, stderr);
    await until("it is gone", async () => (await world.served.get("web")).status === 404, patienceMs);
    await until("nothing runs", async () => (await world.running("web")) === 0, patienceMs);
  });
}
