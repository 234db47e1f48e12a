import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { ask } from "./support/ask.ts";
import { installWaybill, type Install } from "./support/cluster-install.ts";
import { kubectl, sharedFolderSkip } from "./support/kubectl.ts";
import { cloneOf, service, until, webProgram, type Clone } from "./support/served.ts";

// Two servers of deploy/several-servers on one volume, of which one acts.

const name = `kcs-${randomBytes(3).toString("hex")}`;
const namespace = namespaceOf({ repository: name, environment: "production" });
const limitMs = 90_000;
const web = service("web", "size: {cpu: 0.05, memory: 128Mi}\n");

describe("several servers in a cluster", { skip: await sharedFolderSkip() }, () => {
  let install: Install;
  let shop: Clone;
  const pods = [`waybill-${name}-0`, `waybill-${name}-1`];

  before(async () => {
    install = await installWaybill({ name, servers: 2, gateways: 2 });
    await install.apply();
    const { folder, port, token } = install;
    shop = await cloneOf(`${folder}/shop`, `http://localhost:${port}/git/${name}.git`, token);
  });
  after(async () => {
    await install?.[Symbol.asyncDispose]();
    await kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false");
  });

  const waits = async (pod: string): Promise<boolean> =>
    (await kubectl("-n", name, "logs", pod)).includes("another server acts");
  const gateways = async (): Promise<readonly string[]> => {
    const selector = "app.kubernetes.io/component=gateway";
    const names = await kubectl("-n", name, "get", "pods", "--selector", selector, "-o", "name");
    return names
      .trim()
      .split("\n")
      .map((each) => each.replace("pod/", ""));
  };
  const answer = async (): Promise<string> => {
    const { port } = install;
    return ask({ port, host: `web.localhost:${port}` }).then(
      ({ body }) => body,
      () => "",
    );
  };

  test("whichever takes a push, one applies it; killed in the midst of that, it is replaced by the other", async () => {
    const [waiting, ...acting] = (await waits(pods[0] ?? "")) ? pods : pods.toReversed();
    assert.ok(waiting !== undefined && acting[0] !== undefined);
    assert.deepEqual([await waits(waiting), await waits(acting[0])], [true, false]);
    const [gateway = "", another = ""] = await gateways();
    await install.enterBy(gateway);
    const { stderr } = await shop.push({ "deployments/web.yaml": web, "web/main.js": webProgram("one") });
    assert.match(stderr, /web +ready/);
    assert.equal(await answer(), "one");
    for (const pod of [another, waiting]) {
      await install.enterBy(pod);
      assert.equal(await answer(), "one", pod);
    }

    const pushed = shop.push({ "web/main.js": webProgram("two") });
    const revisions = async () =>
      (await kubectl("-n", namespace, "get", "deployments", "-o", "name")).trim().split("\n").length;
    await until("the new revision is there", async () => (await revisions()) === 2, limitMs);
    await kubectl("-n", name, "delete", "pod", acting[0], "--grace-period=0", "--force");
    await pushed;
    await until("it answers", async () => (await answer()) === "two", limitMs);
    await until("the old one is gone", async () => (await revisions()) === 1, limitMs);
  });

  test("gateways see where pods are, and nothing else of the cluster", async () => {
    const as = `--as=system:serviceaccount:${name}:waybill-gateway-${name}`;
    const may = async (...what: string[]): Promise<string> =>
      kubectl(as, "auth", "can-i", "--all-namespaces", ...what).then(
        (said) => said.trim(),
        () => "no",
      );
    assert.equal(await may("watch", "endpointslices.discovery.k8s.io"), "yes");
    for (const what of ["secrets", "pods", "namespaces"]) assert.equal(await may("list", what), "no", what);
    const [gateway = "", another = ""] = await gateways();
    await install.enterBy(another);
    await kubectl("-n", name, "delete", "pod", gateway, "--grace-period=0", "--force");
    assert.equal(await answer(), "two");
  });
});
