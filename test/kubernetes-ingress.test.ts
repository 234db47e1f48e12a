import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { ask, type Asked } from "./support/ask.ts";
import { clusterSkip, kubeconfigPath, openTestCluster, patience } from "./support/cluster.ts";
import { nginxPath, startNginx, type NginxEntrance } from "./support/nginx.ts";
import { startServed, until, webProgram, type Clone, type Served } from "./support/served.ts";
import { freePort } from "./support/server-process.ts";

// From a push to a program behind an entrance that is not Waybill's: nginx, set up from the Ingress objects that are
// in the cluster, as ingress-nginx documents it.

const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";
const limitMs = 120_000;
const name = `ka-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });
const className = `waybill-${name}`;

const skip = clusterSkip() || (nginxPath === null && "no nginx: install it to run this");

const service = (access: string, more = ""): string =>
  `apiVersion: waybill/v1\nkind: service\nsource: {path: web}\ncommand: node main.js\nsize: {cpu: 0.05, memory: 128Mi}\naccess: ${access}\n${more}`;

describe("a deployment behind nginx", { skip }, () => {
  let served: Served;
  let shop: Clone;
  let cluster: Cluster;
  let nginx: NginxEntrance;
  let nginxPort = 0;

  before(async () => {
    cluster = await openTestCluster();
    nginxPort = await freePort();
    served = await startServed({
      env: { WAYBILL_HOST: "0.0.0.0" },
      config: (port) => `domain: localhost:${nginxPort}
targets:
  cluster:
    kind: kubernetes
    kubeconfig: ${kubeconfigPath()}
    runtimes: {node: "${nodeImage}"}
    sourceUrl: http://${hostAddress}:${port}
    ingress:
      kind: ingress
      controller: nginx
      className: ${className}
      from: {cidrs: [${hostAddress}/32]}
      probe: {url: "http://127.0.0.1:${nginxPort}", timeout: 20s}
`,
    });
    nginx = await startNginx({ cluster, namespace, className, port: nginxPort, wildcard: { port: served.port } });
    await served.start();
    shop = await served.clone(name);
  });
  after(async () => {
    await served?.close();
    await nginx?.close();
    await cluster?.delete({ apiVersion: "v1", kind: "Namespace", name: namespace }, { signal: patience() });
    cluster?.close();
  });

  const browser = { accept: "text/html", "sec-fetch-mode": "navigate" };
  const get = (label: string, path = "/", headers: Record<string, string> = {}): Promise<Asked> =>
    ask({ port: nginxPort, host: `${label}.localhost:${nginxPort}`, path, headers });
  const token = () => ({ authorization: `Bearer ${served.token}` });

  async function accepted(files: Record<string, string>): Promise<string> {
    const { exitCode, stderr } = await shop.push(files);
    assert.equal(exitCode, 0, stderr);
    return stderr.replaceAll(/^remote: /gm, "");
  }
  const ingresses = async (): Promise<string[]> =>
    (await cluster.list({ apiVersion: "networking.k8s.io/v1", kind: "Ingress", namespace }, patience())).items
      .map(({ metadata }) => metadata.name)
      .toSorted();

  test("a push ends when the entrance refuses nobody's request; who is known passes to the pod itself", async () => {
    const files = {
      "web/main.js": webProgram("one"),
      "deployments/web.yaml": service("{visibility: signed-in, public: [/pid]}"),
    };
    assert.match(await accepted(files), /web {2}ready/);
    assert.deepEqual(await ingresses(), ["web", "web--waybill"]);
    assert.equal((await get("web")).status, 403);
    const forged = { "x-waybill-user": "root", "remote-user": "root", ...token(), cookie: "theme=dark" };
    const known = await get("web", "/headers", forged);
    assert.equal(known.status, 200);
    const seen = JSON.parse(known.body) as Record<string, string>;
    assert.deepEqual([seen["x-waybill-user"], seen["x-waybill-role"]], ["bootstrap", "admin"]);
    assert.deepEqual(
      [seen["authorization"], seen["remote-user"], seen["cookie"]],
      [undefined, undefined, "theme=dark"],
    );
    // Not by way of the gateway, which would say that it was here.
    assert.equal(known.headers["x-request-id"], undefined);
    const nobody = await get("web", "/pid", { "x-waybill-user": "root" });
    assert.equal(nobody.status, 200);
    for (const path of ["/pid/../headers", "/pid%2f..%2fheaders", "/.waybill/..%2fheaders", "//headers", "/pid;/x"]) {
      assert.notEqual((await get("web", path)).status, 200, path);
    }
  });

  test("a browser is led to sign in, and back with a session of the host's own", async () => {
    const begun = await get("web", "/headers?a=b", browser);
    assert.equal(begun.status, 302);
    const to = new URL(String(begun.headers.location));
    assert.equal(to.pathname, "/.waybill/sign-in");
    const onward = await get("web", to.pathname + to.search, browser);
    const signIn = new URL(String(onward.headers.location));
    assert.equal(signIn.host, `localhost:${nginxPort}`);
    assert.equal(signIn.searchParams.get("return"), `http://web.localhost:${nginxPort}/headers?a=b`);
    const nonce = String(onward.headers["set-cookie"]?.[0]).split(";", 1)[0] ?? "";
    const form = new URLSearchParams({ token: served.token });
    for (const key of ["return", "state"]) form.set(key, signIn.searchParams.get(key) ?? "");
    const signed = await fetch(`http://127.0.0.1:${nginxPort}/sign-in/token`, {
      method: "POST",
      redirect: "manual",
      headers: { origin: `http://127.0.0.1:${nginxPort}` },
      body: form,
    });
    const callback = new URL(String(signed.headers.get("location")));
    assert.equal(callback.pathname, "/.waybill/callback");
    const landed = await get("web", callback.pathname + callback.search, { ...browser, cookie: nonce });
    assert.equal(landed.headers.location, `http://web.localhost:${nginxPort}/headers?a=b`);
    const session = landed.headers["set-cookie"]?.map((each) => each.split(";", 1)[0]).join("; ") ?? "";
    const page = await get("web", "/headers", { ...browser, cookie: `theme=dark; ${session}` });
    assert.equal(page.status, 200);
    const seen = JSON.parse(page.body) as Record<string, string>;
    assert.deepEqual([seen["x-waybill-user"], seen["cookie"]], ["bootstrap", "theme=dark"]);
  });

  test("a change of who may pass is in force without a change in the cluster; a new revision loses no request", async () => {
    const load = new AbortController();
    const answers: string[] = [];
    const loading = (async () => {
      while (!load.signal.aborted) {
        const { status, body } = await get("web", "/", token());
        answers.push(`${status} ${body}`);
      }
    })();
    const before = nginx.reloads();
    await accepted({ "deployments/web.yaml": service("{visibility: public}") });
    assert.equal((await get("web")).status, 200);
    assert.equal(nginx.reloads(), before);
    await accepted({
      "web/main.js": webProgram("two"),
      "deployments/web.yaml": service("{visibility: signed-in}"),
    });
    await until("the new one answers", async () => (await get("web", "/", token())).body === "two", limitMs);
    load.abort();
    await loading;
    assert.deepEqual([...new Set(answers)].toSorted(), ["200 one", "200 two"]);
  });

  test("an entrance that lets nobody in fails the deploy, and nothing leads there until it is right", async () => {
    nginx.ignoreAnnotations(true);
    const { stderr } = await shop.push({ "web/main.js": webProgram("three") });
    assert.match(
      stderr.replaceAll(/\s+(remote: )?/g, " "),
      /web failed: .*answered 200, where a refusal by Waybill was wanted/,
    );
    assert.deepEqual(await ingresses(), []);
    await until("nobody gets there", async () => (await get("web", "/", token())).status === 503);
    nginx.ignoreAnnotations(false);
    assert.match(await accepted({ "web/main.js": webProgram("four") }), /web {2}ready/);
    assert.equal((await get("web", "/", token())).body, "four");
    assert.equal((await get("web")).status, 403);
  });

  test("a push of what is for everybody ends when the entrance has taken it up", async () => {
    nginx.standStill(8_000);
    await accepted({ "deployments/open.yaml": service("{visibility: public}") });
    const { status, body, headers } = await get("open");
    assert.deepEqual([status, body], [200, "four"]);
    // Not by way of the gateway, which would say that it was here.
    assert.equal(headers["x-request-id"], undefined);
  });

  test("one host's openness is no other's; what may sleep is led to Waybill, which wakes it for whoever may", async () => {
    const idle = service("{visibility: signed-in}", "replicas: {min: 0, max: 1, idleAfter: 3s}\n");
    await accepted({ "deployments/nap.yaml": idle });
    // nginx goes by the address of the request's first line, and tells Waybill of the Host header.
    const absolute = { path: `http://web.localhost:${nginxPort}/headers`, host: `open.localhost:${nginxPort}` };
    assert.equal((await ask({ port: nginxPort, ...absolute })).status, 403);
    assert.deepEqual((await ingresses()).includes("nap--waybill"), false);
    const pods = async () => {
      const labelSelector = "waybill.dev/deployment=nap";
      const { items } = await cluster.list({ apiVersion: "v1", kind: "Pod", namespace, labelSelector }, patience());
      return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).length;
    };
    await until("it sleeps", async () => (await pods()) === 0, limitMs);
    assert.equal((await get("nap")).status, 401);
    assert.equal(await pods(), 0);
    assert.equal((await get("nap", "/", token())).body, "four");
  });
});
