import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import type { EventView } from "../src/http/api/runs/events.ts";
import type { RunView } from "../src/runs/view.ts";
import { startWithClone, until, type Clone, type Served } from "./support/served.ts";

let served: Served;
let clone: Clone;
let secret = "";

before(async () => {
  ({ served, clone } = await startWithClone("shop", { stopWorkloads: false }));
  const schema = "{type: object, properties: {order: {type: string}, key: {type: string, writeOnly: true}}}";
  const pushed = await clone.push({
    "jobs/README": "x\n",
    "deployments/ship.yaml":
      "apiVersion: waybill/v1\nkind: job\nsource: {path: jobs}\n" +
      'command: echo "$WAYBILL_EVENT $WAYBILL_EVENT_ID $WAYBILL_PARAM_ORDER"\n' +
      `parameters: {schema: ${schema}, values: {order: none}}\n` +
      "events: [{name: order-placed, parameters: {order: /data/id, key: /data/key}}]\n",
  });
  assert.equal(pushed.exitCode, 0, pushed.stderr);
  await until("the job is there", async () => (await served.cli(["event", "order-placed"])).status === 0);
});
after(() => served.close());

const runsOf = async (name: string): Promise<readonly RunView[]> =>
  ((await served.json(["runs", name])) as { runs: readonly RunView[] }).runs;

const shown = async (): Promise<EventView> =>
  ((await served.json(["event", "order-placed"])) as { event: EventView }).event;

async function newSecret(): Promise<string> {
  return ((await served.json(["event", "order-placed", "--new-secret"])) as { secret: string }).secret;
}

interface Sending {
  readonly key?: string;
  readonly atSeconds?: number;
  readonly signed?: string;
  readonly event?: string;
}

// Written by the specification's words, not by our own code.
async function send(id: string, body: string, options: Sending = {}): Promise<{ status: number; text: string }> {
  const { key = secret, atSeconds = Math.floor(Date.now() / 1_000), signed = body, event = "order-placed" } = options;
  const bytes = Buffer.from(key.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", bytes).update(`${id}.${atSeconds}.${signed}`).digest("base64");
  const response = await fetch(`${served.url}/webhooks/events/shop/production/${event}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(atSeconds),
      "webhook-signature": `v1,AAAA v1,${signature}`,
    },
    body,
  });
  return { status: response.status, text: await response.text() };
}

test("without a secret nothing is taken; a secret is shown once, and two are valid while it is changed", async () => {
  assert.equal((await send("a", "{}", { key: "whsec_AAAA" })).status, 401);
  const first = await newSecret();
  assert.equal((await send("b", "{}", { key: first })).status, 202);
  const second = await newSecret();
  assert.ok(!(await served.cli(["event", "order-placed"])).out.includes(second));
  assert.equal((await send("c", "{}", { key: first })).status, 202);
  assert.equal((await send("d", "{}", { key: second })).status, 202);
  await served.json(["event", "order-placed", "--end-former-secret"]);
  assert.equal((await send("e", "{}", { key: first })).status, 401);
  secret = second;
  assert.equal((await shown()).secrets.length, 1);
  await until("the three have run", async () => (await runsOf("ship")).length === 3);
});

test("an event starts a run with what its body says, once", async () => {
  const body = JSON.stringify({ data: { id: "A 7" } });
  assert.deepEqual(await send("order-1", body), { status: 202, text: '{"accepted":true,"repeated":false}' });
  assert.deepEqual(await send("order-1", body), { status: 202, text: '{"accepted":true,"repeated":true}' });
  await until("it has run", async () => (await runsOf("ship"))[0]?.state === "Completed");
  const [run] = await runsOf("ship");
  assert.deepEqual(run?.trigger, { kind: "event", name: "order-placed", id: "order-1" });
  assert.deepEqual(run.parameters, { order: "A 7" });
  assert.match((await served.cli(["run-log", run.id])).out, /order-placed order-1 A 7/);
  assert.equal((await runsOf("ship")).length, 4);
  const [delivery] = (await shown()).deliveries;
  assert.deepEqual(delivery?.outcome, [{ job: "ship", run: run.id, problem: null }]);
  assert.equal((await send("order-1", "{}")).status, 409);
});

test("what is not signed so, not now, too large or for nobody is refused", async () => {
  const before = (await runsOf("ship")).length;
  const nowSeconds = Math.floor(Date.now() / 1_000);
  assert.equal((await send("x1", "{}", { signed: "{ }" })).status, 401);
  const stale = await send("x2", "{}", { atSeconds: nowSeconds - 600 });
  assert.equal(stale.status, 401);
  assert.match(stale.text, /WEBHOOK_STALE/);
  assert.equal((await send("x3", "{}", { atSeconds: nowSeconds + 600 })).status, 401);
  assert.equal((await send("x4", "{}", { event: "nothing" })).status, 401);
  assert.equal((await send("x5", "x".repeat(300_000))).status, 413);
  assert.equal((await send("x 6", "{}")).status, 400);
  assert.equal((await served.cli(["event", "nothing", "--new-secret"])).status, 1);
  assert.equal((await runsOf("ship")).length, before);
});

test("what cannot become parameters is kept with all that is wrong with it", async () => {
  const before = (await runsOf("ship")).length;
  const bodies = { "bad-1": '{"data": {"id": 7}}', "bad-2": "no json", "bad-3": '{"data": {"key": {"secret": "db"}}}' };
  for (const [id, body] of Object.entries(bodies)) assert.equal((await send(id, body)).status, 202);
  await served.json(["pause", "ship", "--note", "stock taking"]);
  await until("it is paused", async () => (await served.cli(["status", "ship"])).out.includes("stock taking"));
  await until("the bad ones are settled", async () =>
    (await shown()).deliveries.every(({ outcome }) => outcome !== null),
  );
  assert.equal((await send("late", "{}")).status, 202);
  await until("all are settled", async () => (await shown()).deliveries.every(({ outcome }) => outcome !== null));
  await served.json(["resume", "ship"]);
  const problems = new Map((await shown()).deliveries.map(({ id, outcome }) => [id, outcome?.[0]?.problem]));
  assert.match(problems.get("bad-1") ?? "", /order must be text, found 7/);
  assert.match(problems.get("bad-2") ?? "", /is not JSON/);
  assert.match(problems.get("bad-3") ?? "", /an event cannot name a secret/);
  assert.match(problems.get("late") ?? "", /paused by .*: stock taking/);
  assert.equal((await runsOf("ship")).length, before);
});

test("what cannot be kept is refused with its reason, and holds up no other event", async () => {
  const bodies = {
    "odd-1": '{"data": {"id": "\\ud800"}}',
    "odd-2": '{"data": {"id": "\\u0000"}}',
    "odd-3": '{"data":\0}',
  };
  for (const [id, body] of Object.entries(bodies)) assert.equal((await send(id, body)).status, 202);
  assert.equal((await send("even", "{}")).status, 202);
  await until("all are settled", async () => (await shown()).deliveries.every(({ outcome }) => outcome !== null));
  const outcomes = new Map((await shown()).deliveries.map(({ id, outcome }) => [id, outcome?.[0]]));
  assert.match(outcomes.get("odd-1")?.problem ?? "", /a parameter holds half of a surrogate pair/);
  assert.match(outcomes.get("odd-2")?.problem ?? "", /a parameter holds the character U\+0000/);
  assert.match(outcomes.get("odd-3")?.problem ?? "", /the event's body is not JSON/);
  assert.ok(outcomes.get("even")?.run);
});

test("an event that was answered starts its run, though the server is killed right then", async () => {
  const before = (await runsOf("ship")).length;
  const sent = [];
  for (let index = 0; index < 5; index += 1) sent.push(await send(`kill-${index}`, "{}"));
  const { child } = served.server();
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  assert.ok(sent.every(({ status }) => status === 202));
  await served.start();
  await until("all have run", async () => {
    const runs = await runsOf("ship");
    return runs.length === before + 5 && runs.every(({ state }) => state === "Completed");
  });
});
