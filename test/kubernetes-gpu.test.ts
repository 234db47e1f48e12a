import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { clusterSkip, openTestCluster, patience, serverKubeconfigPath } from "./support/cluster.ts";
import { service, site, startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";

// Deployments that want more GPUs than there are, from a push on. The cluster is to have two, and seven MIG slices.

const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

const name = `k5-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });

const size = (gpu: string): string => `size: {cpu: 50m, memory: 64Mi, gpu: {${gpu}}}\nstopTimeout: 1s\n`;
const h100 = (count: number): string => size(`count: ${count}, type: h100`);
const slices = (count: number): string => size(`count: ${count}, type: h100, slice: 1g.10gb`);

const failing = `process.exitCode = 3;\n`;

interface Shown {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
}

describe("deployments with GPUs", { skip: clusterSkip(), timeout: 900_000 }, () => {
  let served: Served;
  let shop: Clone;
  let cluster: Cluster;

  before(async () => {
    cluster = await openTestCluster();
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `targets:
  cluster:
    kind: kubernetes
    kubeconfig: ${serverKubeconfigPath()}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
`,
    });
    await served.start();
    shop = await served.clone(name);
    // So that the environment is never left without any.
    await push({ "deployments/anchor.yaml": site("anchor"), "anchor/index.html": "here" });
  });
  afterEach(async () => {
    // One by one: most of an environment's deployments at once is a person's to say.
    for (const { name: which } of (await shownAll()).filter((one) => one.name !== "anchor")) {
      await shop.git("rm", "--quiet", `deployments/${which}.yaml`);
      await push({});
      await until(`${which} is removed`, async () => (await shownAll()).every((one) => one.name !== which), 60_000);
    }
  });
  after(async () => {
    await served?.close();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  const push = async (files: Readonly<Record<string, string>>): Promise<string> => {
    const { exitCode, stderr } = await shop.push(files);
    assert.equal(exitCode, 0, stderr);
    return stderr.replaceAll(/^remote: /gm, "");
  };
  const deploy = (which: string, text: string, more: string): Promise<string> =>
    push({ [`deployments/${which}.yaml`]: service(which, more), [`${which}/main.js`]: webProgram(text) });
  const shownAll = async () => ((await served.json(["status"])) as { deployments: readonly Shown[] }).deployments;
  const shown = async (which: string): Promise<Shown> => {
    const row = (await shownAll()).find((one) => one.name === which);
    assert.ok(row, `${which} is not in the status`);
    return row;
  };
  /** What is shown is said with the failure. */
  const untilSo = async (what: string, holds: () => Promise<boolean>, limitMs = 60_000): Promise<void> => {
    await until(what, holds, limitMs).catch(async (error: unknown) =>
      assert.fail(`${String(error)}: ${JSON.stringify(await shownAll())}`),
    );
  };
  const untilShown = (which: string, state: string, limitMs?: number): Promise<void> =>
    untilSo(`${which} is ${state}`, async () => (await shown(which)).state === state, limitMs);
  const untilText = (which: string, text: string): Promise<void> =>
    untilSo(`${which} answers ${text}`, async () => (await served.get(which)).body === text);

  test("one GPU more is started beside the old revision; two are handed over, and the plan says so", async () => {
    await deploy("ranker", "one", h100(1));
    await untilText("ranker", "one");
    const beside = await deploy("ranker", "two", h100(1));
    assert.doesNotMatch(beside, /no room/);
    await untilText("ranker", "two");
    await until("the first has gone", async () => {
      const { items } = await cluster.list({ apiVersion: "v1", kind: "Pod", namespace }, patience());
      return items.length === 1;
    });
    const plan = await deploy("ranker", "three", h100(2));
    assert.match(
      plan,
      /note: ranker: there is no room for both revisions: no node has 2 free GPUs of type h100 \(1 of 2 in use by k5-[0-9a-f]+\/production\/ranker\); the old revision stops before the new one starts/,
    );
    await untilText("ranker", "three");
    await untilShown("ranker", "ready");
  });

  test("a revision that fails in the old one's place gives it back, and keeps its reason", async () => {
    await deploy("ranker", "good", h100(2));
    await untilText("ranker", "good");
    await push({ "ranker/main.js": failing });
    await untilShown("ranker", "failed", 120_000);
    assert.match((await shown("ranker")).reason, /3/);
    await untilText("ranker", "good");
    await push({ "ranker/main.js": webProgram("better") });
    await untilText("ranker", "better");
    await untilShown("ranker", "ready");
  });

  test("what others hold is waited for, in the order of coming, and woken when it is free", async () => {
    await deploy("first", "first", h100(2));
    await untilText("first", "first");
    await deploy("second", "second", h100(1));
    await untilShown("second", "waiting");
    assert.match(
      (await shown("second")).reason,
      /^no node has a free GPU of type h100 \(2 of 2 in use by k5-[0-9a-f]+\/production\/first\)/,
    );
    await deploy("third", "third", h100(2));
    await untilShown("third", "waiting");
    await deploy("fourth", "fourth", h100(1));
    await untilShown("fourth", "waiting");
    await deploy("first", "smaller", h100(1));
    await untilText("first", "smaller");
    await untilText("second", "second");
    assert.equal((await shown("third")).state, "waiting");
    assert.equal((await shown("fourth")).state, "waiting");
    await served.json(["pause", "second"], { cwd: shop.path });
    await untilShown("second", "paused");
    await untilSo("the last stands behind the third", async () =>
      /behind k5-[0-9a-f]+\/production\/third, which waits since/.test((await shown("fourth")).reason),
    );
    await served.json(["pause", "first"], { cwd: shop.path });
    await untilText("third", "third");
    assert.equal((await shown("fourth")).state, "waiting");
  });

  test("of two that wait for each other's old revision, one takes over its own", async () => {
    await deploy("a", "a1", `${h100(1)}rollout: wait\n`);
    await deploy("b", "b1", `${h100(1)}rollout: wait\n`);
    await Promise.all([untilText("a", "a1"), untilText("b", "b1")]);
    await push({ "a/main.js": webProgram("a2"), "b/main.js": webProgram("b2") });
    await untilSo(
      "one of them is new, and the other waits",
      async () => {
        const two = (await shownAll()).filter((one) => one.name !== "anchor");
        const states = two.map(({ state }) => state).toSorted();
        return states.join() === "ready,waiting";
      },
      60_000,
    );
    const [waiting] = (await shownAll()).filter(({ state }) => state === "waiting");
    const [which, other] = waiting?.name === "a" ? ["a", "b"] : ["b", "a"];
    await untilText(other, `${other}2`);
    assert.equal((await served.get(which)).body, `${which}1`);
    await push({ [`deployments/${which}.yaml`]: service(which, `${h100(1)}rollout: handover\n`) });
    await untilText(which, `${which}2`);
  });

  test("MIG slices are counted by themselves", async () => {
    await deploy("sliced", "four", slices(4));
    await untilText("sliced", "four");
    await deploy("whole", "whole", h100(2));
    await untilText("whole", "whole");
    const plan = await deploy("sliced", "five", slices(5));
    assert.match(plan, /no node has 5 free GPU slices 1g\.10gb of type h100 \(4 of 7 in use by/);
    await untilText("sliced", "five");
    await deploy("sliced", "surge", `${slices(5)}rollout: surge\n`);
    await untilShown("sliced", "failed");
    assert.match((await shown("sliced")).reason, /rollout: surge wants room for both revisions/);
    assert.equal((await served.get("sliced")).body, "five");
  });

  test("what the cluster never has is refused in the plan with what it has", async () => {
    const plan = await deploy("huge", "huge", h100(3));
    const reason = "no node has 3 GPUs of type h100: the largest has 2 GPUs of type h100";
    assert.ok(plan.includes(`note: huge: it cannot run: ${reason}`), plan);
    await untilShown("huge", "failed");
    assert.ok((await shown("huge")).reason.startsWith(reason));
    const other = await deploy("other", "other", size("count: 1, type: l4"));
    assert.match(
      other,
      /note: other: it cannot run: no node has a GPU of type l4 \(nvidia\.com\/gpu\.product=NVIDIA-L4\): /,
    );
  });

  /** Two programs of one revision; `gpus` says how many each is to have. */
  const both = (gpus: readonly [number, number], more = ""): string => {
    const [web, ranker] = gpus.map((count) => (count === 0 ? "{cpu: 50m, memory: 64Mi}" : sizeOf(count)));
    return `apiVersion: waybill/v1\nkind: service\ncommand: node main.js\naccess: {visibility: public}\nstopTimeout: 1s\n${more}components:
  web: {source: {path: both}, size: ${web}}
  ranker: {source: {path: both}, port: 9000, size: ${ranker}}
`;
  };
  const sizeOf = (count: number): string => `{cpu: 50m, memory: 64Mi, gpu: {count: ${count}, type: h100}}`;
  const deployBoth = (text: string, gpus: readonly [number, number], more?: string): Promise<string> =>
    push({ "deployments/both.yaml": both(gpus, more), "both/main.js": webProgram(text) });

  test("components of one and one are handed over together, and come back together", async () => {
    assert.doesNotMatch(await deployBoth("one", [1, 1]), /note:/);
    await untilText("both", "one");
    const plan = await deployBoth("two", [1, 1]);
    assert.match(
      plan,
      /note: both: there is no room for both revisions: component ranker: no node has a free GPU of type h100 \(2 of 2 in use by k5-[0-9a-f]+\/production\/both\); the old revision stops before the new one starts/,
    );
    await untilText("both", "two");
    await untilShown("both", "ready");
    await push({ "both/main.js": failing });
    await untilShown("both", "failed", 120_000);
    await untilText("both", "two");
    await deployBoth("three", [1, 1]);
    await untilText("both", "three");
  });

  test("components that fit are started beside the old ones; others wait for what they hold", async () => {
    await deployBoth("one", [0, 1]);
    await untilText("both", "one");
    assert.doesNotMatch(await deployBoth("two", [0, 1]), /note:/);
    await untilText("both", "two");
    await deploy("first", "first", h100(1));
    await untilText("first", "first");
    await deployBoth("three", [1, 1]);
    await untilShown("both", "waiting");
    assert.match((await shown("both")).reason, /component (web|ranker): no node has a free GPU of type h100/);
    assert.equal((await served.get("both")).body, "two");
    await served.json(["pause", "first"], { cwd: shop.path });
    await untilText("both", "three");
  });

  test("a component that no node could take is refused in the plan, by its name", async () => {
    const plan = await deployBoth("huge", [0, 3]);
    const none = "component ranker: no node has 3 GPUs of type h100: the largest has 2 GPUs of type h100";
    const reason = `room for 1 of 2 pods: ${none}`;
    assert.ok(plan.includes(`note: both: it cannot run: ${reason}`), plan);
    await untilShown("both", "failed");
    assert.ok((await shown("both")).reason.startsWith(reason));
    // Each alone could run, and not both.
    const sum = await deployBoth("sum", [1, 2]);
    assert.match(sum, /note: both: it cannot run: room for 1 of 2 pods: component (web|ranker): no node has/);
  });

  test("a server that is killed while the old revision makes room goes on where it was", async () => {
    await deploy("ranker", "before", h100(2));
    await untilText("ranker", "before");
    const pushing = push({ "ranker/main.js": webProgram("after") });
    await untilSo("the old revision stops", async () => {
      const list = await cluster.list({ apiVersion: "apps/v1", kind: "Deployment", namespace }, patience());
      return list.items.some(({ metadata }) => metadata.annotations?.["waybill.dev/handed-over"] !== undefined);
    });
    served.server().child.kill("SIGKILL");
    await pushing.catch(() => undefined);
    await served.start();
    await untilText("ranker", "after");
    await untilShown("ranker", "ready");
  });
});
