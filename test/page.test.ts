import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { contrastProblems, controlWithoutName } from "./support/page-checks.ts";
import { noVisits as skip, openVisits, type Visits } from "./support/page-visits.ts";
import type { World } from "./support/fake-release.ts";
import { emptyWorld } from "./support/sample-world.ts";

let visits: Visits;
const visit: Visits["visit"] = (person, options) => visits.visit(person, options);

before(async () => {
  if (!skip) visits = await openVisits();
});

after(() => visits?.close());

test("signing in by name and password leads to the cards", { skip }, async () => {
  const { page, url, complaints } = await visit(null);
  await page.goto(`${url}/deployments/shop/production/web`);
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  await page.getByLabel("Name").fill("anna");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("alert").getByText("The name and password, or the token, are not right.").waitFor();
  await page.getByLabel("Name").fill("anna");
  await page.getByLabel("Password").fill("anna's password");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("heading", { name: "web", level: 1 }).waitFor();
  await page.getByRole("link", { name: "Deployments" }).click();
  assert.deepEqual(await page.locator("h3").allTextContents(), ["docs", "mailer", "ranker", "web", "ranker", "web"]);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.deepEqual(
    complaints.filter((text) => !text.includes("401")),
    [],
  );
  await page.close();
});

test("everything works without script", { skip }, async () => {
  const { app, page, url } = await visit("jon", { isScriptless: true });
  await page.goto(url);
  await page.getByRole("link", { name: /^Paused/ }).click();
  assert.deepEqual(await page.locator("h3").allTextContents(), ["ranker"]);
  await page.getByRole("button", { name: "Resume ranker" }).click();
  await page.getByText("Nothing here is paused.").waitFor();
  await page.goto(`${url}/?environment=production`);
  await page.getByRole("button", { name: "Pause web" }).click();
  await page.getByText("Paused by jon").waitFor();
  assert.equal(new URL(page.url()).search, "?environment=production", "the filter stays");
  await page.goto(`${url}/deployments/shop/production/ranker`);
  await page.getByText("Listening on http://0.0.0.0:8000").waitFor();
  await page.getByText("Roll back to snapshot 6").first().click();
  await page.locator("details[open]").getByLabel("Why").fill("too slow");
  await page.locator("details[open]").getByRole("button", { name: "Roll back to snapshot 6" }).click();
  await page.getByText("On hold", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Release production" }).click();
  await page.getByText("On hold", { exact: true }).waitFor({ state: "detached" });
  assert.deepEqual(app.release.acts, [
    "resume shop/staging/ranker by jon",
    "pause shop/production/web by jon",
    "rollback shop/production to 6 only ranker by jon",
    "release shop/production by jon",
  ]);
  await page.close();
});

test("a change shows itself, is announced, and leaves the focus where it was", { skip }, async () => {
  const { app, page, url, complaints } = await visit("anna");
  await page.goto(url);
  await page.locator("body[data-connection=live]").waitFor();
  await page.getByRole("button", { name: "Pause docs" }).focus();
  const world = app.release.world;
  world.deployments = world.deployments.map((one) =>
    one.state === "starting" ? { ...one, state: "failed", reason: "exited at once" } : one,
  );
  app.release.emit({ type: "deployment", repository: "shop", environment: "staging", deployment: "web" });
  await page.getByText("exited at once").waitFor();
  assert.equal(await page.getByRole("status").textContent(), "web in staging is failed");
  assert.equal(await page.evaluate("document.activeElement?.textContent?.trim()"), "Pause docs");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("the log goes on by itself, and holds text only", { skip }, async () => {
  const { app, page, url, complaints } = await visit("anna");
  await page.goto(`${url}/deployments/shop/production/web`);
  await page.locator("#log-status", { hasText: "live" }).waitFor();
  app.say({ at: "2026-03-04T10:16:00.000Z", stream: "stdout", text: "<img src=x onerror=alert(1)> arrived" });
  await page.getByRole("log").getByText("<img src=x onerror=alert(1)> arrived").waitFor();
  assert.equal(await page.getByRole("log").locator("p").count(), 5, "no line is lost or shown twice");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("somebody with nothing deployed is told exactly what to type", { skip }, async () => {
  const { page, url } = await visit("anna", { world: emptyWorld() });
  await page.goto(url);
  await page.getByRole("heading", { name: "Nothing is deployed yet", level: 1 }).waitFor();
  await page.getByText(`git remote add waybill ${url}/git/my-program.git`).waitFor();
  await page.close();
});

test("a repository that cannot be read, and a first commit that waits, are on the page", { skip }, async () => {
  const world: World = {
    ...emptyWorld(),
    repositories: [
      { name: "shop", url: "https://example.org/shop.git", defaultBranch: "main", problem: "the host is unknown" },
    ],
    environments: [
      {
        repository: "shop",
        environment: "production",
        branch: "main",
        snapshot: null,
        hold: null,
        waiting: { commit: "9f2c41d7".repeat(5), reason: "it would delete 4 of 5 deployments" },
        drift: [],
      },
    ],
  };
  const { page, url } = await visit("anna", { world });
  await page.goto(url);
  await page.getByText("The repository shop cannot be read: the host is unknown").waitFor();
  await page.getByText("Commit 9f2c41d waits: it would delete 4 of 5 deployments").waitFor();
  await page.getByRole("button", { name: "Release production" }).click();
  await page.getByRole("heading", { name: "Nothing is deployed yet" }).waitFor();
  await page.close();
});

test("a viewer sees what access rules admit, and no buttons", { skip }, async () => {
  const { page, url } = await visit("vera");
  await page.goto(url);
  assert.deepEqual(await page.locator("h3").allTextContents(), ["ranker", "ranker"]);
  assert.equal(await page.getByRole("button", { name: /Pause|Resume|Release/ }).count(), 0);
  await page.goto(`${url}/deployments/shop/production/web`);
  await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
  await page.close();
});

test("the keyboard reaches everything, in order, and shows where it is", { skip }, async () => {
  const { page, url } = await visit("anna");
  await page.goto(url);
  const reached: string[] = [];
  for (let index = 0; index < 17; index++) {
    await page.keyboard.press("Tab");
    const [name, outline] = await page.evaluate<[string, string]>(
      "[document.activeElement.textContent.replaceAll(/\\s+/g, ' ').trim(), getComputedStyle(document.activeElement).outlineStyle]",
    );
    assert.equal(outline, "solid", `${name} shows the focus`);
    reached.push(name);
  }
  const first = ["Skip to content", "Waybill", "Runs", "Your account: annaadmin", "Sign out", "All 6"];
  assert.deepEqual(reached.slice(0, first.length), first);
  assert.ok(reached.includes("Pause docs"), reached.join(", "));
  await page.close();
});

for (const colorScheme of ["light", "dark"] as const) {
  test(
    `text is readable in ${colorScheme} (WCAG 2.2 AA, 1.4.3), and nothing is wider than a phone`,
    { skip },
    async () => {
      const { page, url } = await visit("anna");
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await page.setViewportSize({ width: 360, height: 740 });
      for (const path of [
        "/",
        "/deployments/shop/production/ranker",
        "/environments/shop/staging",
        "/account",
        "/nowhere",
      ]) {
        await page.goto(url + path);
        assert.deepEqual(await page.evaluate(contrastProblems), [], path);
        assert.equal(await page.evaluate("document.documentElement.scrollWidth"), 360, `${path} fits`);
      }
      await page.close();
    },
  );
}

test("landmarks, a name for every control, one first heading", { skip }, async () => {
  const { page, url } = await visit("anna");
  for (const path of [
    "/",
    "/deployments/shop/production/ranker",
    "/environments/shop/production",
    "/account",
    "/sign-in/link?token=good-link",
  ]) {
    await page.goto(url + path);
    for (const role of ["banner", "main"] as const)
      assert.equal(await page.getByRole(role).count(), 1, `${path} has one ${role}`);
    assert.equal(await page.locator("h1").count(), 1, `${path} has one h1`);
    await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))");
    assert.equal(await controlWithoutName(page), null, `${path}: every control has a name`);
    const ids = await page.evaluate<string[]>("[...document.querySelectorAll('[id]')].map((one) => one.id)");
    assert.equal(new Set(ids).size, ids.length, `${path}: no id twice`);
  }
  await page.close();
});
