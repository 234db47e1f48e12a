import assert from "node:assert/strict";
import { BlockList } from "node:net";
import { after, before, describe, test } from "node:test";
import { startFleetServer } from "./support/cluster-fleet.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { service, until } from "./support/served.ts";

// Two teams on one server and one cluster: what one deploys cannot name, mount or reach what is the other's.

const small = "size: {cpu: 0.01, memory: 64Mi}\n";
/** Does what it is asked to, as a program that is not to be trusted may. */
const curious = `const { createServer } = require("node:http");
const { readFileSync, readdirSync } = require("node:fs");
const answer = async (url) => {
  const asked = url.searchParams.get("at");
  if (url.pathname === "/env") return JSON.stringify(process.env);
  if (url.pathname === "/file") return readFileSync(asked, "utf8");
  if (url.pathname === "/folder") return readdirSync(asked).join(" ");
  if (url.pathname === "/fetch") return (await fetch(asked, { signal: AbortSignal.timeout(3000) })).text();
  return "here";
};
createServer((request, response) =>
  answer(new URL(request.url, "http://x")).then((text) => response.end(text), (error) => response.end("refused: " + error)),
).listen(process.env.PORT);
`;
const value = "only-for-the-first-team";

interface Policy {
  readonly spec: {
    readonly podSelector: object;
    readonly ingress?: readonly {
      readonly from?: readonly { readonly ipBlock?: { readonly cidr: string }; readonly podSelector?: object }[];
    }[];
  };
}

describe("two teams on one cluster", { skip: clusterSkip(), timeout: 300_000 }, () => {
  let fleet: Awaited<ReturnType<typeof startFleetServer>>;
  let first: Awaited<ReturnType<typeof fleet.clone>>;
  let second: Awaited<ReturnType<typeof fleet.clone>>;

  before(async () => {
    fleet = await startFleetServer();
    await fleet.served.start();
    first = await fleet.clone("kf-first");
    second = await fleet.clone("kf-second");
    await fleet.served.cli(["secret", "set", "db"], { cwd: first.path, input: value });
    const pushes = await Promise.all([
      first.push({
        "deployments/shop.yaml": service("app", `${small}secrets: [{name: db, env: DB}]\n`),
        "app/main.js": curious,
      }),
      second.push({ "deployments/spy.yaml": service("app", small), "app/main.js": `${curious}\n// another tree` }),
    ]);
    for (const { exitCode, stderr } of pushes) assert.equal(exitCode, 0, stderr);
    await until("both answer", async () => (await ask("shop")) === "here" && (await ask("spy")) === "here", 120_000);
  });
  after(() => fleet?.close());

  const ask = async (name: string, path = "/", at = ""): Promise<string> =>
    (await fleet.served.get(name, `${path}?at=${encodeURIComponent(at)}`)).body;
  const objects = async (apiVersion: string, kind: string, namespace: string) =>
    (await fleet.cluster.list({ apiVersion, kind, namespace }, patience())).items;

  async function refused(yaml: string, words: RegExp): Promise<void> {
    const { exitCode, stderr } = await second.push({ "deployments/wish.yaml": yaml });
    assert.notEqual(exitCode, 0, stderr);
    assert.match(stderr, words);
    await second.git("reset", "--quiet", "--hard", "HEAD~1");
  }

  test("names: hosts, namespaces, volumes, accounts and templates of others cannot be asked for", async () => {
    await refused(
      service("app", `${small}subdomain: shop\n`),
      /HOST_TAKEN .*"shop" belongs to kf-first-\w+\/production\/shop/,
    );
    for (const field of [
      `namespace: ${first.namespace}`,
      "volumes: [{hostPath: /}]",
      "serviceAccountName: default",
      "template: ./mine.ts",
      "podSpec: {hostNetwork: true}",
    ]) {
      await refused(service("app", `${small}${field}\n`), new RegExp(`FIELD_UNKNOWN .*${field.split(":")[0]}`));
    }
  });

  test("a secret of the same name is not there for the other team", async () => {
    const yaml = service("app", `${small}secrets: [{name: db, env: DB}]\n`);
    const { stderr } = await second.push({ "deployments/wish.yaml": yaml });
    assert.match(stderr, /secret "?db"? does not exist/);
    assert.equal(
      (await objects("v1", "Secret", second.namespace)).some(({ metadata }) => metadata.name.endsWith("-secrets")),
      false,
    );
    await second.git("rm", "--quiet", "deployments/wish.yaml");
    assert.equal((await second.push({})).exitCode, 0);
  });

  test("in its pod it finds no account of the cluster, and nothing of the other's", async () => {
    assert.match(
      await ask("spy", "/file", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
      /^refused: .*ENOENT/,
    );
    const environment = await ask("spy", "/env");
    assert.doesNotMatch(environment, new RegExp(`${value}|kf-first|SOURCE_URL|KUBECONFIG`));
    assert.match(await ask("shop", "/env"), new RegExp(value));
    // An account that may do nothing, and is not given to pods.
    const [pod] = await objects("v1", "Pod", second.namespace);
    const spec = pod?.["spec"] as { automountServiceAccountToken?: boolean; volumes?: readonly object[] };
    assert.equal(spec.automountServiceAccountToken, false);
    for (const volume of spec.volumes ?? [])
      assert.doesNotMatch(JSON.stringify(volume), /hostPath|projected|persistent/);
  });

  test("an address for one's own source opens no other", async () => {
    const urlOf = async (namespace: string): Promise<URL> => {
      const found = (await objects("v1", "Secret", namespace)).find(({ metadata }) =>
        metadata.name.endsWith("-source"),
      );
      const { url = "" } = (found?.["data"] ?? {}) as { url?: string };
      return new URL(Buffer.from(url, "base64").toString());
    };
    const [theirs, own] = [await urlOf(first.namespace), await urlOf(second.namespace)];
    const get = async (path: string): Promise<number> => (await fetch(`${fleet.served.url}${path}`)).status;
    assert.equal(await get(own.pathname + own.search), 200);
    assert.equal(await get(theirs.pathname + own.search), 403);
    const [, , repository] = theirs.pathname.split("/");
    assert.equal(await get(own.pathname.replace(/^\/source\/[^/]+/, `/source/${repository}`) + own.search), 403);
    assert.match(
      await ask("spy", "/fetch", `${theirs.origin}${theirs.pathname}${own.search}`),
      /FORBIDDEN|refused|404|not/i,
    );
  });

  test("its neighbour's network policy does not admit it", async (t) => {
    const policies = (await objects("networking.k8s.io/v1", "NetworkPolicy", first.namespace)) as unknown as Policy[];
    assert.ok(policies.some(({ spec }) => JSON.stringify(spec.podSelector) === "{}" && spec.ingress === undefined));
    const admitted = new BlockList();
    for (const { from = [] } of policies.flatMap(({ spec }) => spec.ingress ?? [])) {
      assert.ok(from.length > 0, "a rule without `from` admits everybody");
      for (const { ipBlock } of from) {
        const [address = "", bits] = ipBlock?.cidr.split("/") ?? [];
        if (ipBlock) admitted.addSubnet(address, Number(bits));
      }
      // Without a namespaceSelector: those of its own namespace.
      assert.ok(
        from.every((one) => Object.keys(one).length === 1),
        JSON.stringify(from),
      );
    }
    const addressOf = async (namespace: string): Promise<string> =>
      ((await objects("v1", "Pod", namespace))[0]?.["status"] as { podIP?: string } | undefined)?.podIP ?? "";
    assert.equal(admitted.check(await addressOf(second.namespace)), false);
    const said = await ask("spy", "/fetch", `http://${await addressOf(first.namespace)}:8000/`);
    // Who enforces policies is the cluster's network: not every one does.
    if (said === "here") t.diagnostic("this cluster's network enforces no policies: the neighbour was reached");
    else assert.match(said, /^refused: /);
  });
});
