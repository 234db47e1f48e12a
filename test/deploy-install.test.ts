import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { ask } from "./support/ask.ts";
import { installWaybill, type Install } from "./support/cluster-install.ts";
import { account } from "./support/install-manifests.ts";
import { kubectl, serverImageSkip } from "./support/kubectl.ts";
import { signInBy } from "./support/demo-process.ts";
import { cloneOf, runCli, service, until, webProgram, type Clone } from "./support/served.ts";

// Waybill in a cluster, as deploy/ installs it: its own image, its own account with the rights of deploy/base/rights.yaml.

const name = `kc-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });
const limitMs = 60_000;

describe("Waybill in a cluster", { skip: await serverImageSkip() }, () => {
  let install: Install;
  let shop: Clone;

  before(async () => {
    install = await installWaybill({ name });
    await install.apply();
    const { folder, port, token } = install;
    shop = await cloneOf(`${folder}/shop`, `http://localhost:${port}/git/${name}.git`, token);
  });
  after(async () => {
    await install?.[Symbol.asyncDispose]();
    await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false");
  });

  const get = async (label: string, path = "/") =>
    ask({ port: install.port, host: `${label}.localhost:${install.port}`, path });
  const pod = `waybill-${name}-0`;
  const status = async (): Promise<string> => {
    const { folder, port, token } = install;
    return (await runCli(["status"], { url: `http://localhost:${port}`, token, cwd: folder })).out;
  };

  test("the first administrator signs in by the link in the pod's log", async () => {
    const log = await kubectl("-n", name, "logs", pod);
    const cookie = await signInBy(/first administrator, once: (http\S+)/.exec(log)?.[1] ?? "");
    const { port } = install;
    const page = await ask({ port, host: `localhost:${port}`, headers: { cookie } });
    assert.equal(page.status, 200);
  });

  test("a push to it runs pods in another namespace, which answer through its gateway", async () => {
    const { stderr, exitCode } = await shop.push({
      "deployments/web.yaml": service("web", "size: {cpu: 0.05, memory: 128Mi}\nbuild: echo built > made.txt\n"),
      "web/main.js": webProgram("one"),
    });
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /web {2}ready/);
    assert.equal((await get("web")).body, "one");
    assert.equal((await get("web", "/file?name=made.txt")).body.trim(), "built");
    assert.match(await kubectl("-n", namespace, "get", "deployments", "-o", "name"), /web/);
  });

  test("its pod writes nowhere but to its volumes, and is as restricted as the namespace wants", async () => {
    const sh = async (script: string): Promise<string> => kubectl("-n", name, "exec", pod, "--", "sh", "-c", script);
    assert.equal((await sh("id -u")).trim(), "10001");
    await assert.rejects(sh("touch /opt/waybill/x"), /Read-only file system/);
    const enforced = await kubectl("get", "namespace", name, "-o", "jsonpath={.metadata.labels}");
    assert.match(enforced, /"pod-security.kubernetes.io\/enforce":"restricted"/);
  });

  test("its account changes nothing but what is Waybill's", async () => {
    const asServer = (...args: string[]): Promise<string> => kubectl(`--as=${account(name)}`, ...args);
    const refused = /Waybill may change only what is in a namespace with the label/;
    await assert.rejects(asServer("-n", "default", "create", "configmap", `${name}-x`, "--from-literal=a=b"), refused);
    await assert.rejects(asServer("create", "namespace", `${name}-x`), refused);
    const taking = `metadata: {labels: {app.kubernetes.io/managed-by: waybill}}`;
    await assert.rejects(asServer("patch", "namespace", "default", "-p", taking), refused);
    await assert.rejects(asServer("delete", "namespace", name), refused);
    assert.match(await asServer("-n", namespace, "create", "configmap", `${name}-x`), /created/);
  });

  test("a server that ends while it applies is started again, and goes on", async () => {
    const pushed = shop.push({ "web/main.js": webProgram("two") });
    const revisions = async () =>
      (await kubectl("-n", namespace, "get", "deployments", "-o", "name")).trim().split("\n").length;
    await until("the new revision is there", async () => (await revisions()) === 2, limitMs);
    await kubectl(
      "-n",
      name,
      "exec",
      pod,
      "--",
      "sh",
      "-c",
      "kill -9 $(pidof node | tr ' ' '\\n' | sort -n | head -1)",
    );
    await pushed;
    await until("it answers", async () => (await get("web").catch(() => null))?.body === "two", limitMs);
    await until("the old one is gone", async () => (await revisions()) === 1, limitMs);
    await until("it is shown", async () => /web .*ready/.test(await status()), limitMs);
  });
});
