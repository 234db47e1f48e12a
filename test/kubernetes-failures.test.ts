import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { service as wholeService, until, webProgram } from "./support/served.ts";
import { deploy } from "./support/target-world.ts";

// What becomes of a revision that fails on a cluster, and where people look then.

const limitMs = 120_000;
const small = "size: {cpu: 0.05, memory: 128Mi}\n";
const service = (source: string, more = ""): string => wholeService(source, `${small}${more}`);

describe("a revision that fails on a cluster", { skip: clusterSkip() }, () => {
  let world: ClusterWorld;
  before(async () => {
    world = await clusterWorld();
  });
  after(() => world?.close());

  const deployments = async () => {
    const selection = { apiVersion: "apps/v1", kind: "Deployment", namespace: world.namespace };
    const { items } = await world.cluster.list(selection, patience());
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  const replicas = async (): Promise<readonly number[]> =>
    (await deployments()).map(({ spec }) => (spec as { replicas: number }).replicas).toSorted((a, b) => a - b);

  test("never listening fails after its start timeout, with its lines; it stops, the old one runs", async () => {
    await deploy(world, "web", { text: "one", more: small });
    const startedMs = Date.now();
    const { stderr } = await world.shop.push({
      "deployments/web.yaml": service("web", "health: {startTimeout: 4s}\n"),
      "web/main.js": "console.log('deaf from the start'); setInterval(() => undefined, 1000);",
    });
    const said = stderr.replaceAll(/^remote: /gm, "");
    assert.match(said, /web {2}failed: nothing listens on port 8000: /);
    assert.match(said, /last line:\s+deaf from the start/);
    assert.match(said, /What ran before keeps running/);
    assert.ok(Date.now() - startedMs < 25_000, `it took ${Date.now() - startedMs} ms`);
    await until("the failed one is stopped", async () => (await replicas()).join() === "0,1", limitMs);
    await until("its pods are gone", async () => (await world.running("web")) === 1, limitMs);
    assert.equal((await world.served.get("web")).body, "one");
  });

  test("a corrected push takes its place", async () => {
    await deploy(world, "web", { text: "two", more: small });
    await until("it answers", async () => (await world.served.get("web")).body === "two", limitMs);
    await until("one is left", async () => (await replicas()).join() === "1", limitMs);
  });

  test("the same content tried again starts again", async () => {
    const failing = { "web/main.js": "console.log('no way'); process.exit(3);" };
    const { stderr } = await world.shop.push(failing);
    assert.match(stderr, /web {2}failed: crashed .*with status 3/);
    await until("the failed one is stopped", async () => (await replicas()).join() === "0,1", limitMs);
    await world.shop.push({ "web/main.js": webProgram("two") });
    const again = await world.shop.push(failing);
    assert.match(again.stderr, /web {2}failed: crashed .*with status 3/);
    await world.shop.push({ "web/main.js": webProgram("three") });
    await until("it answers", async () => (await world.served.get("web")).body === "three", limitMs);
  });

  test("logs are searched by text, time and pod, and those of an earlier start are there", async () => {
    await world.shop.push({
      "web/main.js": `console.log("begin " + process.env.HOSTNAME); console.log("noise");
setTimeout(() => { console.log("needle in it"); }, 50);
setTimeout(() => { console.log("giving up"); process.exit(1); }, 20000);
${webProgram("three")}`,
    });
    const logs = async (...args: string[]) => world.served.cli(["logs", "web", ...args]);
    await until("the line is there", async () => /needle in it/.test((await logs("--grep", "needle")).out), limitMs);
    assert.doesNotMatch((await logs("--grep", "needle")).out, /noise/);
    assert.equal((await logs("--since", "2099-01-01T00:00:00Z")).out, "");
    assert.match((await logs("--since", "10m")).out, /noise/);
    const [pod] = (await world.served.cli(["logs", "web", "--grep", "begin", "--json"])).out.split("\n").slice(-1);
    const { pod: name = "" } = JSON.parse(pod ?? "") as { pod?: string };
    assert.match((await logs("--pod", name.slice(name.lastIndexOf("-") + 1), "--grep", "noise")).out, /noise/);
    const unknown = await logs("--pod", "nobody");
    assert.match(unknown.err, /it has no pod "nobody": there are .*web/);
    await until("it was started again", async () => /giving up/.test((await logs("--previous")).out), limitMs);
    assert.doesNotMatch((await logs("--previous", "--grep", "noise")).out, /needle/);
    assert.match((await logs("--follow", "--previous")).err, /follow and previous are both asked for/);
  });
});
