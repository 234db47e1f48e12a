import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { startApiProxy, type Answered } from "./support/api-proxy.ts";
import { installRights } from "./support/cluster-install.ts";
import { kubectl, kubectlSkip } from "./support/kubectl.ts";
import { rightsFor, rightsIn, type Rule } from "./support/rights.ts";
import { service, site, startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";

// A server with the account of deploy/rights, and all that it asks of the cluster from the first push to the last removal.

const name = `kcr-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });
// A cluster that shares two cores with its tests takes a minute for what else takes seconds.
const limitMs = 150_000;
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

const web = (more: string): string =>
  service("web", `size: {cpu: 0.05, memory: 128Mi}\nstopTimeout: 1s\n${more}`) +
  "secrets: [{name: db, env: DATABASE_URL}]\nfiles: {/etc/shop/app.toml: {content: level = 3}}\n";
const sleepy = "replicas: {min: 0, idleAfter: 2s}\nbuild: echo built > made.txt\n";
const worker = `apiVersion: waybill/v1
kind: worker
source: {path: web}
command: node main.js
size: {cpu: 0.01, memory: 64Mi}
replicas: {min: 2, max: 3, targetCpu: 70}
stopTimeout: 1s
`;

const job = `apiVersion: waybill/v1
kind: job
source: {path: web}
command: sleep 5; echo '"done"' > "$WAYBILL_RESULT"
size: {cpu: 0.01, memory: 64Mi}
files: {/etc/shop/app.toml: {content: level = 3}}
`;

const yearly = `apiVersion: waybill/v1
kind: job
source: {image: "example.org/report@sha256:${"0".repeat(64)}"}
size: {cpu: 0.01, memory: 64Mi}
schedules: [{name: yearly, cron: "0 0 1 1 *"}]
`;

async function servedBy(kubeconfig: string, folder: string, more = ""): Promise<Served> {
  const file = join(folder, "kubeconfig");
  await writeFile(file, kubeconfig);
  const config = (port: number): string => `targets:
  cluster: {kind: kubernetes, kubeconfig: ${file}, runtimes: {node: "${nodeImage}"}, sourceUrl: "http://${hostAddress}:${port}", ${more}}
`;
  return startServed({ env: { WAYBILL_HOST: "0.0.0.0" }, config });
}

describe("the rights of the server's account", { skip: kubectlSkip() }, () => {
  let served: Served;
  let shop: Clone;
  let folder: string;
  let roles: readonly (KubeObject & { readonly rules: readonly Rule[] })[];
  const opened = new AsyncDisposableStack();
  let answered: readonly Answered[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "waybill-rights-"));
    opened.defer(() => rm(folder, { recursive: true }));
    const rights = opened.use(await installRights({ name, folder }));
    roles = rights.roles;
    const proxy = opened.use(await startApiProxy({ kubeconfig: rights.kubeconfig }));
    answered = proxy.answered;
    await writeFile(join(folder, "pull.json"), JSON.stringify({ auths: {} }));
    served = await servedBy(
      proxy.kubeconfig,
      folder,
      `schedules: cronJobs, quota: {pods: "20"}, pullSecret: ${join(folder, "pull.json")}`,
    );
    await served.start();
    shop = await served.clone(name);
  });
  after(async () => {
    try {
      await served?.close();
    } finally {
      await opened.disposeAsync();
      await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false");
    }
  });

  const push = async (files: Readonly<Record<string, string>>): Promise<string> => {
    const { exitCode, stderr } = await shop.push(files);
    assert.equal(exitCode, 0, stderr);
    return stderr;
  };
  const state = async (): Promise<string> => (await served.cli(["status"])).out;
  const runState = async (): Promise<string | undefined> =>
    ((await served.json(["runs", "report"])) as { runs: readonly { state: string }[] }).runs[0]?.state;

  test("they are enough from the first push to the last removal", async () => {
    await served.cli(["secret", "set", "db"], { cwd: shop.path, input: "postgres://x:y@db/shop" });
    const said = await push({
      "deployments/web.yaml": web(sleepy),
      "deployments/queue.yaml": worker,
      "deployments/report.yaml": job,
      "deployments/yearly.yaml": yearly,
      "web/main.js": webProgram("one"),
    });
    assert.match(said, /web +ready/);
    assert.match(said, /queue +ready/);
    // Somebody else's hand on one object of a deployment has all of them read.
    await kubectl("-n", namespace, "annotate", "service,hpa", "--all", "example.com/seen=yes");
    const isRead = (kind: string): boolean =>
      answered.some(({ method, path }) => method === "GET" && path.includes(`/${kind}/`));
    await until(
      "what is there is compared with what was made",
      async () => ["services", "configmaps", "horizontalpodautoscalers", "poddisruptionbudgets"].every(isRead),
      limitMs,
    );
    await until("lines are read", async () => /listening/.test((await served.cli(["logs", "web"])).out), limitMs);
    await until("it sleeps", async () => /web .*sleeping/.test(await state()), limitMs);
    assert.equal((await served.get("web")).body, "one");
    await served.json(["run", "report"], { cwd: shop.path });
    await until("its pod is there", async () => (await runState()) === "Running", limitMs);
    // A run that goes on is looked for by the next server.
    await served.stop();
    await served.start();
    await until("the run is over", async () => (await runState()) === "Completed", limitMs);
    // Three at once would wait for a person.
    await shop.git("rm", "--quiet", "deployments/report.yaml", "deployments/yearly.yaml");
    await push({ "web/main.js": webProgram("two"), "deployments/web.yaml": web("") });
    assert.equal((await served.get("web")).body, "two");
    await shop.git("rm", "--quiet", "deployments/web.yaml", "deployments/queue.yaml");
    // An environment is never left without any by a push alone.
    await push({ "deployments/docs.yaml": site("docs"), "docs/index.html": "words" });
    await until(
      "the namespace goes",
      async () => !/Active/.test(await kubectl("get", "namespace", namespace, "--ignore-not-found")),
      limitMs,
    );
  });

  test("each is used, and none is missing", async () => {
    const refused = answered.filter(({ status }) => status === 403).map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual([...new Set(refused)], []);
    const used = new Set(answered.flatMap(rightsFor));
    const given = new Set(roles.flatMap(({ rules }) => rightsIn(rules)));
    const missing = [...used].filter((right) => !given.has(right));
    const unused = [...given].filter((right) => !used.has(right));
    assert.deepEqual(missing.sort(), [], "used, but no role has it");
    assert.deepEqual(unused.sort(), [], "a role has it, but nothing here uses it");
  });

  test("no right can be turned into another", async () => {
    const given = roles.flatMap(({ rules }) => rightsIn(rules));
    const dangerous = /^(escalate|bind|impersonate|\*) | \*|rbac\.|serviceaccounts\/token|pods\/exec|certificates/;
    assert.deepEqual(
      given.filter((right) => dangerous.test(right)),
      [],
    );
  });
});

describe("an account that is given its namespaces", { skip: kubectlSkip() }, () => {
  const own = `${name}-given`;
  const space = namespaceOf({ repository: own, environment: "production" });
  const opened = new AsyncDisposableStack();
  let served: Served;
  let shop: Clone;

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), "waybill-rights-"));
    opened.defer(() => rm(folder, { recursive: true }));
    const { kubeconfig } = opened.use(await installRights({ name: own, folder, given: [space] }));
    served = await servedBy(kubeconfig, folder);
    await served.start();
    shop = await served.clone(own);
  });
  after(async () => {
    try {
      await served?.close();
    } finally {
      await opened.disposeAsync();
      await kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false");
    }
  });

  test("deploys there, and nowhere else", async () => {
    const files = {
      "deployments/web.yaml": service("web", "size: {cpu: 0.05, memory: 128Mi}\n"),
      "web/main.js": webProgram("here"),
      "waybill.yaml":
        "apiVersion: waybill/v1\nenvironments: {production: {branch: main}, staging: {branch: staging}}\n",
    };
    assert.match((await shop.push(files)).stderr, /web +ready/);
    assert.equal((await served.get("web")).body, "here");
    await kubectl("-n", space, "scale", "deployment", "--all", "--replicas", "2");
    await until(
      "what others change there is shown",
      async () =>
        /web[^]*changed: Deployment \S+: spec.replicas is 2 instead of 1/.test((await served.cli(["status"])).out),
      limitMs,
    );
    await kubectl("-n", space, "scale", "deployment", "--all", "--replicas", "1");
    const { stderr } = await shop.push({ "README.md": "words" }, "main:staging");
    assert.match(stderr, /is forbidden: User .* in the namespace "\S+--staging"/);
    const asServer = (...args: string[]) => kubectl(`--as=system:serviceaccount:${own}:waybill-${own}`, ...args);
    await assert.rejects(asServer("-n", own, "get", "secrets"), /forbidden/);
  });
});
