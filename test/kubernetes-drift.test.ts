import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { DriftView } from "../src/release/views.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { until } from "./support/served.ts";
import { deploy } from "./support/target-world.ts";

// What others change in the cluster of what was deployed: shown, and put back where that is set.

const limitMs = 120_000;
const shownMs = 5_000;
const small = "size: {cpu: 0.05, memory: 128Mi}\n";

interface Status {
  readonly deployments: readonly { readonly name: string; readonly drift: readonly DriftView[] }[];
  readonly environments: readonly { readonly environment: string; readonly drift: readonly DriftView[] }[];
}

const ofWorld = (world: () => ClusterWorld) => {
  const status = async (): Promise<Status> => (await world().served.json(["status"])) as Status;
  const drift = async (name = "web"): Promise<readonly DriftView[]> =>
    (await status()).deployments.find((one) => one.name === name)?.drift ?? [];
  const untilDrift = async (what: string, holds: (found: readonly DriftView[]) => boolean, ms = shownMs) => {
    let last: readonly DriftView[] = [];
    await until(what, async () => holds((last = await drift())), ms).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(last)}`);
    });
    return last;
  };
  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const command = process.env["KUBECTL"] ?? "kubectl";
    return (await promisify(execFile)(command, ["--namespace", world().namespace, ...args])).stdout.trim();
  };
  const names = async (kind: string): Promise<readonly string[]> =>
    (await kubectl("get", kind, "--selector", "app.kubernetes.io/managed-by=waybill", "--output", "name")).split("\n");
  return { status, drift, untilDrift, kubectl, names };
};

describe("what others change is shown", { skip: clusterSkip() }, () => {
  let world: ClusterWorld;
  const { status, drift, untilDrift, kubectl, names } = ofWorld(() => world);
  before(async () => {
    world = await clusterWorld();
    await world.served.cli(["secret", "set", "db"], { cwd: world.shop.path, input: "postgres://x:y@db/shop" });
    const more = `${small}env: {MODE: calm}\nsecrets: [{name: db, env: DATABASE_URL}]\n`;
    await deploy(world, "web", { text: "one", more });
  });
  after(() => world?.close());

  test("nothing of what was only deployed", async () => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    const { deployments, environments } = await status();
    assert.deepEqual(
      deployments.flatMap((one) => one.drift),
      [],
    );
    assert.deepEqual(environments, []);
  });

  test("a scaled Deployment, with who and when; and no more once it is scaled back", async () => {
    const [deployment = ""] = await names("deployments");
    await kubectl("scale", deployment, "--replicas", "2");
    const [found] = await untilDrift("it is shown", (all) => all.length === 1);
    const { at, by, ...rest } = found ?? { at: null, by: null };
    assert.ok(Math.abs(Date.now() - Date.parse(at ?? "")) < 30_000, String(at));
    assert.match(by ?? "", /kubectl/);
    const object = `Deployment ${world.namespace}/${deployment.split("/")[1]}`;
    assert.deepEqual(rest, { object, field: "spec.replicas", wanted: 1, found: 2, note: "" });
    assert.match(
      (await world.served.cli(["status", "web"])).out,
      /changed: Deployment \S+: spec\.replicas is 2 instead of 1, by \S*kubectl\S*, /,
    );
    const page = await world.served.api("GET", "/deployments?name=web");
    assert.match(JSON.stringify(page.body), /"field":"spec.replicas"/);
    await kubectl("scale", deployment, "--replicas", "1");
    await untilDrift("it is over", (all) => all.length === 0);
  });

  test("a variable, an image and a removed label, each by its field", async () => {
    const [deployment = ""] = await names("deployments");
    await kubectl("set", "env", deployment, "MODE=wild");
    const env = await untilDrift("the variable", (all) => all.length === 1);
    assert.match(env[0]?.field ?? "", /^spec\.template\.spec\.containers\[name=web\]\.env\[name=MODE\]\.value$/);
    assert.deepEqual([env[0]?.wanted, env[0]?.found], ["calm", "wild"]);
    await kubectl("set", "env", deployment, "MODE-");
    await untilDrift("it is gone", ([one]) => one?.found === null);
    await kubectl("set", "env", deployment, "OTHER=1");
    await kubectl("annotate", deployment, "example.com/note=mine");
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal((await drift()).length, 1, JSON.stringify(await drift()));
  });

  test("a Secret's change without its value", async () => {
    const secret = (await names("secrets")).find((name) => name.endsWith("-secrets")) ?? "";
    await kubectl("patch", secret, "--type", "merge", "--patch", '{"stringData":{"db":"postgres://evil"}}');
    const found = await untilDrift("it is shown", (all) => all.some(({ object }) => object.startsWith("Secret ")));
    const shown = found.find(({ object }) => object.startsWith("Secret "));
    assert.deepEqual([shown?.field, shown?.wanted, shown?.found], ["data.db", "[secret]", "[secret]"]);
    const { out } = await world.served.cli(["status", "--json"]);
    for (const text of ["evil", Buffer.from("postgres://evil").toString("base64"), "x:y"]) {
      assert.ok(!out.includes(text), text);
    }
  });

  test("a deleted Service, and what the environment stands on", async () => {
    await kubectl("delete", "service", "web");
    const found = await untilDrift("it is shown", (all) => all.some(({ object }) => object.startsWith("Service ")));
    const gone = found.find(({ object }) => object.startsWith("Service "));
    assert.deepEqual([gone?.field, gone?.found, gone?.by], [null, null, null]);
    await kubectl("delete", "networkpolicy", "waybill-deny");
    await until("the environment's", async () => (await status()).environments.length === 1, shownMs);
    assert.match(
      (await world.served.cli(["status"])).out,
      /what production of \S+ stands on was changed:\n +changed: NetworkPolicy \S+\/waybill-deny is gone/,
    );
  });

  test("a port that was renumbered is shown, and gives way to a new revision", async () => {
    await deploy(world, "ported", { text: "one", more: small });
    const renumber = '[{"op":"replace","path":"/spec/ports/0/port","value":9999}]';
    await kubectl("patch", "service", "ported", "--type", "json", "--patch", renumber);
    const isShown = async (): Promise<boolean> => (await drift("ported"))[0]?.field?.startsWith("spec.ports") === true;
    await until("it is shown", isShown, shownMs);
    await deploy(world, "ported", { text: "two", more: small });
    assert.equal(await kubectl("get", "service", "ported", "--output", "jsonpath={.spec.ports[*].port}"), "8000");
    await until("it is over", async () => (await drift("ported")).length === 0, shownMs);
  });

  test("it is still known after a restart, and a new revision ends it", async () => {
    await world.served.stop();
    await world.start();
    assert.ok((await drift()).length > 0);
    await deploy(world, "web", { text: "two", more: small });
    await untilDrift(
      "its objects are new ones",
      (all) => all.every(({ object }) => object.startsWith("Service ")),
      limitMs,
    );
  });
});

describe("what others change is put back where that is set", { skip: clusterSkip() }, () => {
  let world: ClusterWorld;
  const { status, drift, untilDrift, kubectl, names } = ofWorld(() => world);
  before(async () => {
    world = await clusterWorld("    drift: restore\n");
    await deploy(world, "web", { text: "one", more: `${small}env: {MODE: calm}\n` });
  });
  after(() => world?.close());

  test("a scaled Deployment, a deleted Service, a deleted policy", async () => {
    const [deployment = ""] = await names("deployments");
    await kubectl("scale", deployment, "--replicas", "2");
    const replicas = () => kubectl("get", deployment, "--output", "jsonpath={.spec.replicas}");
    await until("it is put back", async () => (await replicas()) === "1", limitMs);
    await kubectl("delete", "service", "web");
    await until("it is there again", async () => (await names("services")).includes("service/web"), limitMs);
    await until("it answers", async () => (await world.served.get("web")).body === "one", limitMs);
    await kubectl("delete", "networkpolicy", "waybill-deny");
    const isBack = async () => (await names("networkpolicies")).some((name) => name.endsWith("/waybill-deny"));
    await until("it is there again", isBack, limitMs);
    await untilDrift("nothing is left", (all) => all.length === 0, limitMs);
    await until("nor of the environment", async () => (await status()).environments.length === 0, limitMs);
  });

  test("a port that was renumbered, and a variable that was given another name", async () => {
    const ports = () => kubectl("get", "service", "web", "--output", "jsonpath={.spec.ports[*].port}");
    const renumber = '[{"op":"replace","path":"/spec/ports/0/port","value":9999}]';
    await kubectl("patch", "service", "web", "--type", "json", "--patch", renumber);
    await until("it is put back", async () => (await ports()) === "8000", limitMs);
    const [deployment = ""] = await names("deployments");
    const variables = () =>
      kubectl("get", deployment, "--output", "jsonpath={.spec.template.spec.containers[0].env[*].name}");
    await kubectl("set", "env", deployment, "MODE-", "MOOD=calm");
    await until("it is put back", async () => / MODE\b/.test(` ${await variables()}`), limitMs);
    assert.doesNotMatch(await variables(), /MOOD/);
    await untilDrift("nothing is left", (all) => all.length === 0, limitMs);
    // Nor does it stay when the file gives it up.
    await deploy(world, "web", { text: "one", more: `${small}port: 8001\nenv: {MODE: calm}\n` });
    assert.equal(await ports(), "8001");
    assert.equal((await world.served.get("web")).body, "one");
  });

  test("who changes the same again and again is named, and not fought without end", async () => {
    const [deployment = ""] = await names("deployments");
    let changes = 0;
    const annotation = "pulumi.com/deletionPropagationPolicy";
    const policy = () =>
      kubectl("get", deployment, "--output", `jsonpath={.metadata.annotations.${annotation.replaceAll(".", "\\.")}}`);
    let note = "";
    await until(
      "it is said",
      async () => {
        if ((await policy()) === "background") {
          await kubectl("annotate", "--overwrite", deployment, `${annotation}=orphan`);
          changes += 1;
        }
        note = (await drift())[0]?.note ?? "";
        return note !== "";
      },
      2 * limitMs,
    );
    assert.match(note, /^put back 2 times, and kubectl-\S+ changes it again/);
    assert.equal(changes, 3);
  });

  test("what sleeps stays asleep, and is no drift", async () => {
    await deploy(world, "web", { text: "three", more: `${small}replicas: {min: 0, idleAfter: 1s}\n` });
    const state = async () =>
      ((await world.served.json(["status"])) as { deployments: { state: string }[] }).deployments[0]?.state;
    await until("it sleeps", async () => (await state()) === "sleeping", limitMs);
    await until("nothing runs", async () => (await world.running("web")) === 0, limitMs);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.deepEqual([await state(), await world.running("web")], ["sleeping", 0]);
    const cluster = world.cluster;
    const selection = { apiVersion: "apps/v1", kind: "Deployment", namespace: world.namespace };
    const { items } = await cluster.list(selection, patience());
    assert.equal(items.length, 1);
    assert.deepEqual((await status()).deployments[0]?.drift, []);
  });
});
