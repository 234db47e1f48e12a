import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { clusterSkip, openTestCluster, patience, serverKubeconfigPath } from "./support/cluster.ts";
import {
  service as wholeService,
  site,
  startServed,
  until,
  webProgram,
  type Clone,
  type Served,
} from "./support/served.ts";

// The same repository and the same files as on one machine, run by a cluster: from a push to a pod behind the gateway.

/** With Node.js, sh and tar. The cluster must have it, or be able to pull it. */
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
/** Where pods reach this machine. */
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";
/** A cluster that shares two cores with its tests starts a pod in seconds or in a minute. */
const limitMs = 120_000;

/** As small as it gets: the cluster may be shared. */
const service = (source: string, more = ""): string =>
  wholeService(source, `size: {cpu: 0.05, memory: 128Mi}\n${more}`);

const name = `k2-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });

describe("a repository on a cluster", { skip: clusterSkip() }, () => {
  let served: Served;
  let shop: Clone;
  let cluster: Cluster;

  before(async () => {
    cluster = await openTestCluster();
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `targets:
  local: {kind: local}
  cluster:
    kind: kubernetes
    kubeconfig: ${serverKubeconfigPath()}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
defaultTarget: cluster
`,
    });
    await served.start();
    shop = await served.clone(name);
  });
  after(async () => {
    await served?.close();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  const list = async (apiVersion: string, kind: string) =>
    (await cluster.list({ apiVersion, kind, namespace }, patience())).items.filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined,
    );

  async function accepted(pushing: ReturnType<Clone["push"]>): Promise<string> {
    const { exitCode, stderr } = await pushing;
    assert.equal(exitCode, 0, stderr);
    return stderr.replaceAll(/^remote: /gm, "");
  }

  interface Shown {
    readonly name: string;
    readonly state: string;
    readonly reason: string;
  }
  const shown = async (deployment: string): Promise<Shown | undefined> =>
    ((await served.json(["status"])) as { deployments: Shown[] }).deployments.find((one) => one.name === deployment);
  const isOf =
    (deployment: string) =>
    ({ metadata }: KubeObject): boolean =>
      metadata.labels?.["waybill.dev/deployment"] === deployment;
  const isShown = (deployment: string, state: string) => async () => (await shown(deployment))?.state === state;

  test("a push runs its files in a pod, behind the gateway", async () => {
    const said = await accepted(
      shop.push({ "deployments/web.yaml": service("web"), "web/main.js": webProgram("one") }),
    );
    assert.match(said, /web {2}ready/);
    assert.equal((await served.get("web")).body, "one");
    assert.equal((await shown("web"))?.state, "ready");
    assert.equal((await list("apps/v1", "Deployment")).length, 1);
    await until("its lines are read", async () => /listening/.test((await served.cli(["logs", "web"])).out), limitMs);
  });

  test("another push moves over without losing a request; going back does, too", async () => {
    const load = new AbortController();
    const answers: string[] = [];
    const loading = (async () => {
      while (!load.signal.aborted) {
        const { status, body } = await served.get("web");
        answers.push(`${status} ${body}`);
      }
    })();
    try {
      await accepted(shop.push({ "web/main.js": webProgram("two") }));
      await served.json(["rollback", "production", "--to", "1"], { cwd: shop.path });
      await until("the first one answers again", async () => (await served.get("web")).body === "one", limitMs);
    } finally {
      load.abort();
      await loading;
    }
    assert.deepEqual([...new Set(answers)].toSorted(), ["200 one", "200 two"]);
    assert.ok(answers.length > 20, `only ${answers.length} requests were made`);
    await until("the old one is gone", async () => (await list("apps/v1", "Deployment")).length === 1, limitMs);
    await served.json(["release", "production"], { cwd: shop.path });
  });

  test("a built source, files, secrets and variables are there as on one machine", async () => {
    await served.cli(["secret", "set", "db"], { cwd: shop.path, input: "postgres://x:y@db/shop" });
    const said = await accepted(
      shop.push({
        "other/main.js": webProgram("built"),
        "deployments/built.yaml": service(
          "other",
          "build: echo made of $FLAVOUR, $(echo $((1 + 1))) of $$ > made.txt\nfiles: {conf/app.toml: {content: level = 3}}\n" +
            "env: {FLAVOUR: vanilla, PRICE: $(FLAVOUR) $$5}\nsecrets: [{name: db, env: DATABASE_URL}, {name: db, file: /etc/shop/db}]\n",
        ),
      }),
    );
    assert.match(said, /built {2}building: echo made of/);
    const text = async (path: string): Promise<string> => (await served.get("built", path)).body.trim();
    assert.match(await text("/file?name=made.txt"), /^made of vanilla, 2 of \d+$/);
    assert.equal(await text("/file?name=conf/app.toml"), "level = 3");
    assert.equal(await text("/file?name=/etc/shop/db"), "postgres://x:y@db/shop");
    assert.equal(await text("/env?name=DATABASE_URL"), "postgres://x:y@db/shop");
    assert.equal(await text("/env?name=PRICE"), "$(FLAVOUR) $$5");
    assert.equal(await text("/env?name=PORT"), "8000");
    assert.equal((await list("batch/v1", "Job")).length, 0);
  });

  test("a revision that does not come to answer says why, and the one before it goes on", async () => {
    const { stderr } = await shop.push({ "web/main.js": "console.log('no way'); process.exit(3);" });
    assert.match(stderr, /web {2}failed: crashed .*with status 3/);
    assert.match(stderr, /last line:\s+(remote:\s+)?no way/);
    assert.equal((await served.get("web")).body, "two");
    await accepted(shop.push({ "web/main.js": webProgram("three") }));
    assert.equal((await served.get("web")).body, "three");
  });

  test("a server that is killed in the middle of an apply goes on with it", async () => {
    const pushed = shop.push({ "web/main.js": webProgram("four") });
    const revisions = async () => (await list("apps/v1", "Deployment")).filter(isOf("web")).length;
    await until("the new revision is there", async () => (await revisions()) === 2, limitMs);
    served.server().child.kill("SIGKILL");
    await pushed;
    await served.start();
    await until("it answers", async () => (await served.get("web")).body === "four", limitMs);
    await until("the old one is gone", async () => (await revisions()) === 1, limitMs);
    await until("it is shown", isShown("web", "ready"), limitMs);
  });

  test("an image that is not to be had is said; a site is as on one machine", async () => {
    const image = `registry.invalid/none@sha256:${"0".repeat(64)}`;
    const { stderr } = await shop.push({
      "deployments/nowhere.yaml": `apiVersion: waybill/v1\nkind: worker\nsource: {image: "${image}"}\nsize: {cpu: 0.05, memory: 64Mi}\n`,
      "deployments/docs.yaml": site("docs"),
      "docs/index.html": "words",
    });
    assert.ok(stderr.includes(`nowhere  failed: image ${image} cannot be pulled`), stderr);
    assert.equal((await served.get("docs")).body, "words");
    await shop.git("rm", "--quiet", "deployments/nowhere.yaml", "deployments/docs.yaml");
    await accepted(shop.push({}));
  });

  test("a removed file removes its objects, and the last one the namespace", async () => {
    await shop.git("rm", "--quiet", "deployments/built.yaml");
    await accepted(shop.push({}));
    await until("one is left", async () => (await list("v1", "Service")).length === 1, limitMs);
    await shop.git("rm", "--quiet", "deployments/web.yaml");
    await accepted(shop.push({ "deployments/here.yaml": service("web"), "waybill.yaml": toLocal }));
    await until(
      "the namespace is gone",
      async () => {
        const found = await cluster.get({ apiVersion: "v1", kind: "Namespace", name: namespace }, patience());
        return found === null || found.metadata.deletionTimestamp !== undefined;
      },
      limitMs,
    );
    assert.equal((await served.get("here")).body, "four");
  });
});

const toLocal = `apiVersion: waybill/v1
environments:
  production: {branch: main, target: local}
`;
