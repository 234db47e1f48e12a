import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { ComponentResource, secret } from "@pulumi/pulumi";
import type { UntypedDeployment } from "../src/engine/state.ts";
import { makeTestEngine, shop, stackOf, Thing } from "./support/stacks.ts";

const program = async () => {
  const group = new ComponentResource("test:index:Group", "g");
  const a = new Thing("a", { size: 1, password: secret("correct horse") }, { parent: group, protect: true });
  const b = new Thing("b", { of: a.address }, { dependsOn: group, retainOnDelete: true });
  return { password: a.password, b: b.address };
};

test("an exported state is imported elsewhere, with secrets shown or the same key", async () => {
  using from = makeTestEngine();
  await from.engine.up(shop, program);
  for (const showSecrets of [true, false]) {
    using to = makeTestEngine();
    await to.engine.import(shop, await from.engine.export(shop, { showSecrets }));
    assert.doesNotMatch([...to.texts.values()].join(), /correct horse/);
    to.counts.saves = 0;
    assert.equal((await to.engine.up(shop, program)).changes.same, 4);
    assert.equal(to.counts.saves, 0);
  }
});

test("what is no state of this stack is refused", async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  await engine.up(shop, program);
  const exported = await engine.export(shop);
  const refusals: readonly [unknown, RegExp][] = [
    [null, /the state of shop\/production--ranker cannot be used: it is not a JSON object/],
    [{ version: 2, deployment: {} }, /its version is 2/],
    [{ version: 3 }, /it holds no deployment/],
    [{ version: 3, deployment: { resources: [{ urn: "x" }] } }, /a resource has no URN/],
    [{ version: 3, deployment: { resources: [{ urn: "urn:pulumi:x", type: "t" }] } }, /does not say whether/],
  ];
  for (const [state, message] of refusals) {
    await assert.rejects(engine.import(shop, state), { code: "STATE_INVALID", message });
  }
  await assert.rejects(engine.import(stackOf("web"), exported), { message: /another key or for another stack/ });
  const shown = await engine.export(shop, { showSecrets: true });
  await assert.rejects(engine.import(stackOf("web"), shown), {
    message: /belongs to shop\/production--ranker; wanted is the state of shop\/production--web/,
  });
});

test("refresh notes what is there, and what is gone is made again", async () => {
  using harness = makeTestEngine();
  const { engine, things, taken } = harness;
  const two = async () => ({ b: new Thing("b", { of: new Thing("a", { size: 1 }).address }).address });
  await engine.up(shop, two);
  taken();
  assert.deepEqual((await engine.refresh(shop)).changes.same, 2);
  things.set("b-2", { size: 7 });
  things.delete("a-1");
  const { changes } = await engine.refresh(shop);
  assert.deepEqual([changes.update, changes.delete], [1, 1]);
  await engine.up(shop, two);
  assert.deepEqual(taken(), ["create a", "update b"]);
});

const hasCli = (process.env["PATH"] ?? "").split(delimiter).some((folder) => existsSync(join(folder, "pulumi")));

test("the Pulumi CLI takes the state and gives it back", { skip: hasCli ? false : "no pulumi on PATH" }, async () => {
  using harness = makeTestEngine();
  const { engine } = harness;
  await engine.up(shop, program);
  const folder = mkdtempSync(join(tmpdir(), "waybill-cli-"));
  const pulumi = (...args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync("pulumi", [...args, "--non-interactive"], {
      cwd: folder,
      encoding: "utf8",
      env: {
        ...process.env,
        PULUMI_HOME: join(folder, "home"),
        PULUMI_BACKEND_URL: `file://${folder}`,
        PULUMI_CONFIG_PASSPHRASE: "test",
        PULUMI_SKIP_UPDATE_CHECK: "true",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      },
    });
    assert.equal(status, 0, stdout + stderr);
    return stdout;
  };
  try {
    writeFileSync(join(folder, "Pulumi.yaml"), "name: shop\nruntime: nodejs\n");
    pulumi("stack", "init", "production--ranker");
    const empty = JSON.parse(pulumi("stack", "export")) as UntypedDeployment;
    const ours = await engine.export(shop, { showSecrets: true });
    // The CLI encrypts what it imports with the target's own key.
    const { secrets_providers: secretsProviders } = empty.deployment;
    const imported = { ...ours, deployment: { ...ours?.deployment, secrets_providers: secretsProviders } };
    writeFileSync(join(folder, "state.json"), JSON.stringify(imported));
    pulumi("stack", "import", "--file", "state.json");
    assert.match(pulumi("stack", "--show-urns"), /test:index:Group\$test:index:Thing::a/);
    assert.match(pulumi("stack", "output", "password", "--show-secrets"), /correct horse/);
    const back = JSON.parse(pulumi("stack", "export", "--show-secrets")) as unknown;
    await engine.import(shop, back);
    assert.equal((await engine.up(shop, program)).changes.same, 4);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
