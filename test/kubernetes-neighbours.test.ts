import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { DriftView } from "../src/release/views.ts";
import { namespaceOf } from "../src/targets/kubernetes/names.ts";
import { startApiProxy, type Answered } from "./support/api-proxy.ts";
import { serverKubeconfigPath } from "./support/cluster.ts";
import { kubectl, kubectlSkip } from "./support/kubectl.ts";
import { service, startServed, until, webProgram, type Served } from "./support/served.ts";

// Two servers in one cluster: neither looks after what the other has made.

const stem = `kn-${randomBytes(3).toString("hex")}`;
const [mine, theirs] = [`${stem}-mine`, `${stem}-theirs`];
const spaceOf = (repository: string): string => namespaceOf({ repository, environment: "production" });
const limitMs = 120_000;
const shownMs = 10_000;
const nodeImage = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const hostAddress = process.env["WAYBILL_TEST_HOST_ADDRESS"] ?? "10.244.0.1";
const serverLabel = "waybill.dev/server";

const servedBy = (kubeconfig: string): Promise<Served> =>
  startServed({
    env: { WAYBILL_HOST: "0.0.0.0" },
    config: (port) => `targets:
  cluster: {kind: kubernetes, kubeconfig: ${kubeconfig}, runtimes: {node: "${nodeImage}"}, sourceUrl: "http://${hostAddress}:${port}"}
`,
  });

describe("two servers in one cluster", { skip: kubectlSkip() }, () => {
  const opened = new AsyncDisposableStack();
  let one: Served;
  let other: Served;
  let answered: readonly Answered[];

  before(async () => {
    const folder = await mkdtemp(join(tmpdir(), "waybill-neighbours-"));
    opened.defer(() => rm(folder, { recursive: true }));
    const proxy = opened.use(await startApiProxy());
    answered = proxy.answered;
    const file = join(folder, "kubeconfig");
    await writeFile(file, proxy.kubeconfig);
    [one, other] = [await servedBy(file), await servedBy(serverKubeconfigPath())];
    for (const served of [one, other]) {
      opened.defer(() => served.close());
      await served.start();
    }
    for (const space of [mine, theirs].map(spaceOf)) {
      opened.defer(() => kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false").then(() => {}));
    }
  });
  after(() => opened.disposeAsync());

  const push = async (served: Served, repository: string, name: string, folder = repository) => {
    const clone = await served.clone(repository, { folder });
    return clone.push({
      [`deployments/${name}.yaml`]: service(name, "size: {cpu: 0.05, memory: 128Mi}\nstopTimeout: 1s\n"),
      [`${name}/main.js`]: webProgram(repository),
    });
  };
  const drift = async (served: Served): Promise<readonly DriftView[]> => {
    const { deployments } = (await served.json(["status"])) as { deployments: readonly { drift: DriftView[] }[] };
    return deployments.flatMap((each) => each.drift);
  };
  const ownersOf = async (space: string): Promise<ReadonlySet<string>> => {
    const kinds = "deployments,services,secrets,serviceaccounts,networkpolicies,limitranges";
    const selector = "app.kubernetes.io/managed-by=waybill";
    const found = await kubectl("-n", space, "get", kinds, "--selector", selector, "--output", "json");
    const { items } = JSON.parse(found) as { items: readonly { metadata: { labels: Record<string, string> } }[] };
    assert.ok(items.length > 5);
    return new Set(items.map(({ metadata }) => metadata.labels[serverLabel] ?? "none"));
  };

  test("each marks what it makes, but not its pods", async () => {
    for (const [served, repository, name] of [
      [one, mine, "web"],
      [other, theirs, "shop"],
    ] as const) {
      assert.match((await push(served, repository, name)).stderr, new RegExp(`${name} +ready`));
    }
    const [owners, others] = [await ownersOf(spaceOf(mine)), await ownersOf(spaceOf(theirs))];
    assert.deepEqual([owners.size, others.size, owners.has("none"), others.has("none")], [1, 1, false, false]);
    assert.notDeepEqual(owners, others);
    const pods = await kubectl("-n", spaceOf(mine), "get", "pods", "--selector", serverLabel, "--output", "name");
    assert.equal(pods.trim(), "");
  });

  test("what is changed of one's is no matter of the other's", async () => {
    await kubectl("-n", spaceOf(theirs), "annotate", "service,networkpolicy", "--all", "example.com/seen=yes");
    await kubectl("-n", spaceOf(theirs), "scale", "deployment", "--all", "--replicas", "0");
    await until("its own server sees it", async () => (await drift(other)).length > 0, shownMs);
    assert.deepEqual(await drift(one), []);
    const within = answered.filter(({ path }) => path.includes(`/namespaces/${spaceOf(theirs)}`));
    assert.deepEqual(
      within.map(({ method, path }) => `${method} ${path}`),
      [],
    );
  });

  test("what has no mark is still looked after, and its loss is told", async () => {
    await kubectl("-n", spaceOf(mine), "label", "deployment", "--all", `${serverLabel}-`);
    const isTold = async (): Promise<boolean> =>
      (await drift(one)).some(({ field, found }) => field === `metadata.labels["${serverLabel}"]` && found === null);
    await until("it is told", isTold, shownMs);
    await kubectl("-n", spaceOf(mine), "scale", "deployment", "--all", "--replicas", "0");
    const isSeen = async (): Promise<boolean> => (await drift(one)).some(({ field }) => field === "spec.replicas");
    await until("what is done to it as well", isSeen, shownMs);
  });

  test("a repository of a name that the other has is refused, and nothing is taken from it", async () => {
    const { stderr } = await push(one, theirs, "taken", "same-name");
    const text = `namespace ${spaceOf(theirs)} is another Waybill server's: its label ${serverLabel} is `;
    assert.ok(stderr.includes(text), stderr);
    assert.equal((await ownersOf(spaceOf(theirs))).size, 1);
    const found = await kubectl("-n", spaceOf(theirs), "get", "deployments", "--output", "name");
    assert.doesNotMatch(found, /taken/);
    await until("it is failed", async () => /taken .*failed/.test((await one.cli(["status"])).out), limitMs);
  });
});
