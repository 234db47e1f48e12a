import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleJob } from "../../../../test/support/fake-runs.ts";
import { makeTestApp } from "../../../../test/support/http-app.ts";
import { sampleWorld } from "../../../../test/support/sample-world.ts";

const path = "/deployments/shop/production/ranker";

/** The app with the ranker as a job. */
function makeJobApp(job = sampleJob()) {
  const world = sampleWorld();
  world.deployments = world.deployments.map((one) => (one.name === "ranker" ? { ...one, kind: "job" } : one));
  return makeTestApp({ world, job });
}

test("a job's page shows its runs, its schedules and what comes; a viewer sees none of it", async () => {
  const { browse } = makeJobApp();
  const text = await (await browse("jon", path)).text();
  assert.match(text, /href="\/runs\/t1"/);
  assert.match(text, /<strong>nightly<\/strong>/);
  assert.match(text, /2026-03-05 02:00 UTC/);
  const viewed = await (await browse("vera", path)).text();
  assert.doesNotMatch(viewed, /nightly|\/runs/);
});

test("a job's page shows its chain, and a run's page what started it and what it started", async () => {
  const { browse, runs } = makeJobApp();
  const text = await (await browse("jon", path)).text();
  assert.match(text, /Starts after <a href="\/deployments\/shop\/production\/extract">extract<\/a>/);
  assert.match(text, /once it is completed, 5 min later/);
  assert.match(text, /Is followed by <a href="\/deployments\/shop\/production\/report">.*Not now: paused by jon/s);
  assert.match(text, /Starts at the event <strong>order-placed/);
  runs.tell({ origin: { by: "after", entry: "extract", run: "r7" }, chainNote: "report is not started after it" });
  const run = await (await browse("jon", "/runs/t1")).text();
  assert.match(run, /<a id="after-run" href="\/runs\/r7">/);
  assert.match(run, /<a id="follower-t1" href="\/runs\/t1">/);
  assert.match(run, /report is not started after it/);
});

test("a schedule is paused with a reason, by whom is shown, and resumed", async () => {
  const { browse } = makeJobApp();
  const paused = await browse("jon", `${path}/schedules/nightly/pause`, { reason: "until the table is repaired" });
  assert.equal(paused.headers.get("location"), path);
  const text = await (await browse("jon", path)).text();
  assert.match(text, /Paused by jon[^]*until the table is repaired/);
  await browse("jon", `${path}/schedules/nightly/resume`, {});
  assert.doesNotMatch(await (await browse("jon", path)).text(), /Paused by jon/);
});

test("the list of runs asks for what its form says, and says when nothing is like that", async () => {
  const { browse } = makeJobApp();
  const all = await (await browse("jon", "/runs")).text();
  assert.match(all, /href="\/runs\/t1"/);
  const none = await (await browse("jon", "/runs?job=other&state=failed&environment=")).text();
  assert.match(none, /No run is like that/);
  assert.match(none, /<option value="other" selected="">other/);
  assert.match(none, /<option value="failed" selected="">/);
});

test("a run's page says all that is known of it, and offers what fits its state", async () => {
  const { browse, runs } = makeJobApp();
  const running = await (await browse("jon", "/runs/t1")).text();
  assert.match(running, /id="cancel"/);
  assert.doesNotMatch(running, /id="retry"/);
  assert.match(running, /data-source="\/api\/v1\/runs\/t1\/logs\?format=events/);
  const since = new Date("2026-03-04T10:16:05Z");
  const status = { state: "Failed" as const, since, reason: "ended with status 3", waitingFor: null };
  runs.tell({
    status,
    history: [status],
    endedAt: since,
    parameters: { epochs: 3, key: { secret: "api-key" } },
    outcome: {
      exitStatus: 3,
      signal: null,
      peakMemoryBytes: 50 * 2 ** 20,
      result: { loss: "<b>0.5</b>" },
      files: [{ path: "plots/a b.png", bytes: 2048 }],
    },
  });
  const failed = await (await browse("jon", "/runs/t1")).text();
  for (const said of ["ended with status 3", "50 MiB", "1 min 5 s", "the secret api-key", "epoch 1", "2 KiB"]) {
    assert.ok(failed.includes(said), said);
  }
  assert.match(failed, /file\?path=plots%2Fa\+b.png/);
  assert.match(failed, /&lt;b&gt;0.5/);
  assert.match(failed, /id="retry"/);
  assert.doesNotMatch(failed, /id="cancel"|data-source/);
});

test("cancel, retry and rerun lead to the run; who may not see runs may not act on them", async () => {
  const { browse, runs } = makeJobApp();
  assert.equal((await browse("jon", "/runs/t1/cancel", {})).headers.get("location"), "/runs/t1");
  assert.equal((await runs.run("t1")).run.status.state, "Cancelled");
  assert.equal((await browse("vera", "/runs/t1/retry", {})).status, 403);
  assert.equal((await runs.run("t1")).run.status.state, "Cancelled");
  assert.equal((await browse("jon", "/runs/t1/retry", {})).status, 303);
  assert.equal((await browse("jon", "/runs/t1/rerun", { revision: "newest" })).status, 303);
  assert.equal((await browse("jon", "/runs/t9/cancel", {})).status, 404);
});

test("Quick Run asks for what the schema has, and runs what was typed", async () => {
  const { browse, runs } = makeJobApp();
  const form = await (await browse("jon", `${path}/run`)).text();
  assert.match(form, /name="parameter-epochs"[^>]*value="3"/);
  assert.match(form, /How often it sees everything/);
  assert.match(form, /Set by its file: table orders/);
  assert.match(form, /<option value="false" selected="">false/);
  const typed = { "parameter-epochs": "7", "parameter-mode": '"careful"', "parameter-layers": "[8]", name: "by hand" };
  const ran = await browse("jon", `${path}/run`, typed);
  assert.equal(ran.headers.get("location"), "/runs/t1");
  const { run } = await runs.run("t1");
  assert.deepEqual(run.parameters, { epochs: 7, table: "orders", dry: false, mode: "careful", layers: [8] });
  assert.equal(run.name, "by hand");
  assert.match(await (await browse("jon", `${path}/run?from=t1`)).text(), /name="parameter-epochs"[^>]*value="7"/);
});

test("older runs are a page further on, each on one page, whatever starts meanwhile", async () => {
  const { browse, runs } = makeJobApp();
  runs.addOlder(120);
  const seen: string[] = [];
  const pages: number[] = [];
  for (let path: string | undefined = "/runs?job=ranker"; path !== undefined;) {
    const text: string = await (await browse("jon", path)).text();
    const found = [...new Set([...text.matchAll(/href="\/runs\/(\w+)"/g)].map(([, id = ""]) => id))];
    seen.push(...found);
    pages.push(found.length);
    path = /id="older" href="([^"]+)"/.exec(text)?.[1]?.replaceAll("&amp;", "&");
    if (pages.length === 1) runs.tell({ id: "new", ordinal: 122 });
  }
  assert.deepEqual(pages, [50, 50, 21]);
  assert.deepEqual(seen, ["t1", ...Array.from({ length: 120 }, (_, index) => `o${120 - index}`)]);
  for (const cursor of ["x", "LTE", "MTIzYQ"]) {
    assert.equal((await browse("jon", `/runs?cursor=${cursor}`)).status, 400, cursor);
  }
});

test("a parameter that is needed and was not given is said once, beside its field", async () => {
  const { browse } = makeJobApp(
    sampleJob("parameters: {schema: {type: object, required: [rows], properties: {rows: {type: integer}}}}\n"),
  );
  const text = await (await browse("jon", `${path}/run`, { "parameter-rows": "" })).text();
  assert.match(text, /Nothing was run yet: see below/);
  assert.equal(text.match(/This one is needed/g)?.length, 1);
  assert.doesNotMatch(text, /the set of parameters needs|command wants/);
});

test("what is wrong stands beside its field, all at once, and nothing typed is lost", async () => {
  const { browse, runs } = makeJobApp();
  const typed = {
    "parameter-epochs": "0",
    "parameter-rate": "fast",
    "parameter-label": `"><script>`,
    "parameter-layers": "\n[1,",
    at: "tomorrow",
  };
  const answer = await browse("jon", `${path}/run`, typed);
  assert.equal(answer.status, 422);
  const text = await answer.text();
  assert.match(text, /name="parameter-epochs"[^>]*aria-invalid="true"[^>]*value="0"/);
  assert.match(text, /epochs[^<]*at least 1/);
  assert.match(text, /&quot;fast&quot; is no number/);
  assert.match(text, /value="&quot;&gt;&lt;script&gt;"/);
  assert.match(text, /<textarea[^>]*>\n\n\[1,<\/textarea>/);
  assert.match(text, /This is no time/);
  assert.deepEqual((await runs.run("t1")).run.parameters, { epochs: 3 });
  assert.equal((await browse("vera", `${path}/run`, {})).status, 403);
});
