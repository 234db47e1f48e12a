import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { contrastProblems, controlWithoutName } from "./support/page-checks.ts";
import type { Person } from "./support/http-app.ts";
import { noVisits as skip, openVisits, type Visit, type Visits } from "./support/page-visits.ts";
import { sampleWorld } from "./support/sample-world.ts";

const job = "/deployments/shop/production/ranker";

let visits: Visits;

before(async () => {
  if (!skip) visits = await openVisits();
});

after(() => visits?.close());

/** A server on which the ranker is a job, and a person who is signed in there. */
function visit(person: Person, isScriptless = false): Promise<Visit> {
  const world = sampleWorld();
  world.deployments = world.deployments.map((one) => (one.name === "ranker" ? { ...one, kind: "job" } : one));
  return visits.visit(person, { world, isScriptless });
}

test("a job is run, watched, cancelled and retried without script", { skip }, async () => {
  const { app, page, url } = await visit("jon", true);
  await page.goto(url + job);
  await page.getByRole("link", { name: "Run it" }).click();
  await page.getByLabel("epochs").fill("0");
  await page.getByLabel("Label").fill("as it is");
  await page.getByLabel("mode").selectOption("careful");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("alert").waitFor();
  await page.getByText(/epochs .*1/).waitFor();
  assert.equal(await page.getByLabel("epochs").inputValue(), "0", "what was typed is still there");
  assert.equal(await page.getByLabel("Label").inputValue(), "as it is");
  assert.equal(await page.getByLabel("mode").inputValue(), '"careful"');
  await page.getByLabel("epochs").fill("9");
  await page.getByRole("button", { name: "Run", exact: true }).click();
  await page.getByRole("heading", { name: "t1", level: 1 }).waitFor();
  assert.equal((await app.runs.run("t1")).run.parameters["epochs"], 9);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.locator("#summary [data-state=Cancelled]").waitFor();
  await page.getByRole("button", { name: "Retry" }).click();
  await page.locator("#summary [data-state=Scheduled]").waitFor();
  await page.getByRole("button", { name: "Rerun the newest revision" }).click();
  await page.getByRole("link", { name: "Runs", exact: true }).click();
  await page.getByLabel("State").selectOption("failed");
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(new URL(page.url()).searchParams.get("state"), "failed");
  await page.close();
});

test("a schedule is paused with a reason and resumed", { skip }, async () => {
  const { page, url, complaints } = await visit("jon");
  await page.goto(url + job);
  await page.getByText("Pause the schedule nightly").click();
  await page.getByLabel("Why").first().fill("until the table is repaired");
  await page.getByRole("button", { name: "Pause nightly" }).click();
  await page.getByText(/Paused by jon.*until the table is repaired/).waitFor();
  await page.getByRole("button", { name: "Resume the schedule nightly" }).click();
  await page.getByText("Pause the schedule nightly").waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a run's page follows it to its end, and the list with it", { skip }, async () => {
  const { app, page, url, complaints } = await visit("anna");
  await page.goto(`${url}/runs/t1`);
  await page.locator("body[data-connection=live]").waitFor();
  await page.getByRole("log").getByText("epoch 1").waitFor();
  const since = new Date();
  const status = { state: "Crashed" as const, since, reason: "killed: it wanted more memory", waitingFor: null };
  app.runs.tell({ status, history: [status], endedAt: since });
  await page.getByText("killed: it wanted more memory").first().waitFor();
  assert.equal(await page.getByRole("status").textContent(), "run t1 of ranker is Crashed");
  await page.goto(`${url}/runs`);
  await page.locator("body[data-connection=live]").waitFor();
  app.runs.tell({ status: { ...status, state: "Scheduled", reason: "retried by jon" } });
  await page.getByText("retried by jon").waitFor();
  assert.deepEqual(complaints, []);
  await page.close();
});

const paths = ["/runs", "/runs/t1", job, `${job}/run`];

for (const colorScheme of ["light", "dark"] as const) {
  test(
    `pages of runs are readable in ${colorScheme}, fit a phone, and every control has a name`,
    { skip },
    async () => {
      const { app, page, url } = await visit("anna");
      app.runs.tell({
        outcome: {
          exitStatus: 1,
          signal: null,
          peakMemoryBytes: 1e9,
          result: { path: "a".repeat(200) },
          files: [{ path: `plots/${"b".repeat(120)}.png`, bytes: 1e6 }],
        },
      });
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width: 360, height: 740 });
      for (const path of paths) {
        await page.goto(url + path);
        assert.equal(await page.locator("h1").count(), 1, `${path} has one h1`);
        assert.deepEqual(await page.evaluate(contrastProblems), [], path);
        await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))");
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360, `${path} fits`);
        assert.equal(await controlWithoutName(page), null, path);
        const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map((one) => one.id)");
        assert.equal(new Set(ids).size, ids.length, `${path}: no id twice`);
      }
      await page.getByLabel("epochs").fill("0");
      await page.getByRole("button", { name: "Run", exact: true }).click();
      await page.getByRole("alert").waitFor();
      assert.deepEqual(await page.evaluate(contrastProblems), [], "what is wrong is readable");
      await page.close();
    },
  );
}

test("the keyboard alone runs a job", { skip }, async () => {
  const { app, page, url } = await visit("jon");
  await page.goto(`${url}${job}/run`);
  await page.getByLabel("epochs").focus();
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type("5");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "t1", level: 1 }).waitFor();
  assert.equal((await app.runs.run("t1")).run.parameters["epochs"], 5);
  await page.close();
});
