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
import { rightsFor, rightsIn, type Right, type Rule } from "./support/rights.ts";
import { service, startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";

// A server with the account of deploy/rights, and all that it asks of the cluster from the first push to the last removal.

const name = `kcr-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });
const limitMs = 60_000;
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";

/** What this file does not have the server do, and where it does. */
const elsewhere: Readonly<Record<Right, string>> = {};

const web = (more: string): string =>
  service("web", `size: {cpu: 0.05, memory: 128Mi}\n${more}`) +
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
    const kubeconfig = join(folder, "kubeconfig");
    await writeFile(kubeconfig, proxy.kubeconfig);
    await writeFile(join(folder, "pull.json"), JSON.stringify({ auths: {} }));
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `targets:
  cluster:
    kind: kubernetes
    kubeconfig: ${kubeconfig}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
    quota: {pods: "20"}
    pullSecret: ${join(folder, "pull.json")}
`,
    });
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

  test("they are enough from the first push to the last removal", async () => {
    await served.cli(["secret", "set", "db"], { cwd: shop.path, input: "postgres://x:y@db/shop" });
    const said = await push({
      "deployments/web.yaml": web(sleepy),
      "deployments/queue.yaml": worker,
      "web/main.js": webProgram("one"),
    });
    assert.match(said, /web +ready/);
    assert.match(said, /queue +ready/);
    await until("lines are read", async () => /listening/.test((await served.cli(["logs", "web"])).out), limitMs);
    await until("it sleeps", async () => /web .*sleeping/.test(await state()), limitMs);
    assert.equal((await served.get("web")).body, "one");
    await served.stop();
    await served.start();
    await push({ "web/main.js": webProgram("two"), "deployments/web.yaml": web("") });
    assert.equal((await served.get("web")).body, "two");
    await shop.git("rm", "--quiet", "deployments/web.yaml", "deployments/queue.yaml");
    await push({ "README.md": "nothing is left" });
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
    assert.deepEqual(unused.sort(), Object.keys(elsewhere).sort(), "a role has it, but nothing here uses it");
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
