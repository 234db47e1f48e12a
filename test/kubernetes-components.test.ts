import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { until } from "./support/served.ts";
import { statusOf } from "./support/target-world.ts";

// A deployment of several parts: one revision, each part its own program, reached by the others under its name.

const front = `const { createServer, get } = require("node:http");
let leaves = false;
process.on("SIGTERM", () => { leaves = true; });
const call = () => new Promise((resolve, reject) => {
  const asking = get({ host: "ranker", agent: false }, (answer) => answer.resume().once("end", resolve));
  asking.once("error", reject).setTimeout(1000, () => asking.destroy(new Error("no answer in a second")));
});
// Calls on until it is told to leave, each time on a connection of its own.
async function watch(response) {
  const found = { calls: 0, failures: [] };
  for (; !leaves; found.calls += 1) {
    await call().catch((error) => found.failures.push(String(error)));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  response.end(JSON.stringify(found), () => process.exit());
}
createServer(async (request, response) => {
  if (request.url === "/watch") return watch(response);
  if (request.url === "/own") return response.end(process.env.WAYBILL_COMPONENT + " " + (process.env.KEY ?? "none"));
  try {
    const answer = await fetch("http://ranker" + request.url);
    response.end("web one, " + (await answer.text()));
  } catch (error) {
    response.writeHead(500).end("ranker cannot be called: " + (error.cause ?? error));
  }
}).listen(process.env.PORT);
console.log("listening");
`;
const ranker = (text: string): string => `const { createServer } = require("node:http");
createServer((request, response) => response.end(${JSON.stringify(text)} + " " + process.env.KEY)).listen(process.env.PORT);
process.on("SIGTERM", () => setTimeout(process.exit, 3000));
console.log("listening");
`;
const file = `apiVersion: waybill/v1
kind: service
command: node main.js
access: {visibility: public}
size: {cpu: 0.02, memory: 64Mi}
components:
  web: {source: {path: web}}
  ranker: {source: {path: ranker}, port: 9000, secrets: [{name: key, env: KEY}]}
  mailer: {kind: worker, source: {path: mailer}}
routes: [{subdomain: ranker-admin, component: ranker}]
`;

describe("components on a cluster", { skip: clusterSkip(), timeout: 300_000 }, () => {
  let world: ClusterWorld;

  before(async () => {
    world = await clusterWorld();
  });
  after(async () => {
    await world?.close();
  });

  const list = async (apiVersion: string, kind: string): Promise<readonly KubeObject[]> =>
    (await world.cluster.list({ apiVersion, kind, namespace: world.namespace }, patience())).items.filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );
  const componentOf = ({ metadata }: KubeObject): string => metadata.labels?.["waybill.dev/component"] ?? "";

  /** Until none of the old pods is left: how many there were at one moment, and how many of the Services after it. */
  async function oldServices(names: readonly string[]): Promise<{ pods: number; services: number }[]> {
    const seen: { pods: number; services: number }[] = [];
    for (let left = 1; left > 0;) {
      const services = (await list("v1", "Service")).filter(({ metadata }) => names.includes(metadata.name)).length;
      const { items } = await world.cluster.list(
        { apiVersion: "v1", kind: "Pod", namespace: world.namespace },
        patience(),
      );
      left = items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).length;
      seen.push({ pods: left, services });
      await sleep(500);
    }
    return seen;
  }

  test("each part runs its own source and has its own secrets; they find each other by name", async () => {
    const { served, shop } = world;
    await shop.write({ "deployments/shop.yaml": file });
    await served.cli(["secret", "set", "key", "--repository", shopName(world)], { input: "k-1234567" });
    const { exitCode, stderr } = await shop.push({
      "web/main.js": front,
      "ranker/main.js": ranker("ranker one"),
      "mailer/main.js": "setInterval(() => undefined, 1000); console.log('mailing');",
    });
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /shop {2}ready/);
    assert.equal((await served.get("shop")).body, "web one, ranker one k-1234567");
    assert.equal((await served.get("shop", "/own")).body, "web none");
    assert.equal((await served.get("ranker-admin")).body, "ranker one k-1234567");
    assert.deepEqual((await list("apps/v1", "Deployment")).map(componentOf).toSorted(), ["mailer", "ranker", "web"]);
    const { out } = await served.cli(["logs", "shop"]);
    assert.match(out, /mailing/);
    assert.match(out, /listening/);
  });

  test("a part whose program changed is a new revision of all, and none calls into another", async () => {
    const { served, shop } = world;
    const stale = (await list("v1", "Service")).filter((each) => componentOf(each) !== "");
    const watching = served.get("shop", "/watch");
    const { exitCode, stderr } = await shop.push({ "ranker/main.js": ranker("ranker two") });
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /the source tree of ranker changed/);
    // What the old revision's parts call each other by goes with the last of their pods, and not before.
    const kept = await oldServices(stale.map(({ metadata }) => metadata.name));
    assert.deepEqual(
      kept.map(({ pods, services }) => (pods > 0 ? services : 0)),
      kept.map(({ pods }) => (pods > 0 ? 2 : 0)),
    );
    assert.ok((kept[0]?.pods ?? 0) > 0, "the old pods are still there");
    assert.equal((await served.get("shop")).body, "web one, ranker two k-1234567");
    await until("the old revision is gone", async () => (await list("apps/v1", "Deployment")).length === 3);
    // Every node knows by then where the parts are, and one that nobody can ask has shown that it runs.
    const settled = (await list("apps/v1", "Deployment")).map((each): [string, number] => [
      componentOf(each),
      (each.spec as Settling).minReadySeconds ?? 0,
    ]);
    assert.deepEqual(Object.fromEntries(settled), { web: 2, ranker: 2, mailer: 10 });
    // Its parts could call each other to the end.
    const { calls, failures } = JSON.parse((await watching).body) as { calls: number; failures: string[] };
    assert.ok(calls > 10, `${calls} calls`);
    assert.deepEqual(failures, []);
    await until("its Services are gone", async () => (await list("v1", "Service")).length === 3);
  });

  test("a part that fails is named, and what ran before goes on", async () => {
    const { served, shop } = world;
    const { stderr } = await shop.push({ "mailer/main.js": "console.log('no mail'); process.exit(4);" });
    assert.match(stderr, /shop {2}failed: component mailer: crashed .*with status 4/);
    assert.equal((await served.get("shop")).body, "web one, ranker two k-1234567");
    assert.equal((await statusOf(world, "shop")).state, "failed");
  });
});

interface Settling {
  readonly minReadySeconds?: number;
}

const shopName = ({ namespace }: ClusterWorld): string => namespace.replace(/--production$/, "");
