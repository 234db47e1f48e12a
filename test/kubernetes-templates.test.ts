import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { program as environmentProgram } from "../templates/kubernetes/environment.ts";
import { program as serviceProgram } from "../templates/kubernetes/service.ts";
import { program as workerProgram } from "../templates/kubernetes/worker.ts";
import { packageRoot } from "../src/core/package-root.ts";
import { Secret } from "../src/core/secret.ts";
import { treeSha } from "../src/core/names.ts";
import type { Properties } from "../src/engine/provider.ts";
import type { Place } from "../src/targets/kubernetes/place.ts";
import { loadPrograms, ownPrograms } from "../src/targets/kubernetes/programs.ts";
import { podResources } from "../src/targets/kubernetes/sizes.ts";
import type { Workload } from "../src/targets/workload.ts";
import type { WorkloadOf } from "../templates/local/parts.ts";
import { makeRecordingProvider } from "./support/recording-provider.ts";
import { temporaryFolder } from "./support/repository.ts";
import { makeTestEngine, shop } from "./support/stacks.ts";
import { workloadOf } from "./support/workloads.ts";

const web =
  "kind: service\ncommand: node main.js\nsecrets: [{name: db, env: DATABASE_URL}, {name: ca, file: /etc/ca.pem}]\n";
const source = treeSha("a".repeat(40));

const placeOf = ({ spec }: Workload, changes: Partial<Place> = {}): Place => ({
  target: "cluster",
  server: "5e44e4",
  namespace: "shop--production",
  revision: "11111111",
  image: "node:24",
  resources: podResources("size" in spec ? spec.size : { name: null, cpu: 1, memoryBytes: 2 ** 30, spot: false }, []),
  source: {
    key: source,
    fetch: ["node", "-e", "fetch"],
    url: new Secret("http://server/source/shop/a.tar.gz?signature=quite-secret"),
    host: "localhost:8080",
    made: null,
  },
  secrets: new Map([
    ["db", new Secret("postgres://secret")],
    ["ca", new Secret("certificate")],
  ]),
  replicas: 1,
  ...changes,
});

function makeHarness() {
  // What is asked of both packages, in one order.
  const { provider, calls, taken } = makeRecordingProvider();
  const engine = makeTestEngine({ providers: { kubernetes: provider, waybill: provider } });
  const made = (kind: string): Properties => {
    const found = calls.find(({ method, inputs }) => method === "create" && inputs?.["kind"] === kind)?.inputs;
    assert.ok(found, `no ${kind} was made`);
    return found;
  };
  const up = (workload: Workload, changes: Partial<Place> = {}) => {
    const { spec } = workload;
    const place = placeOf(workload, changes);
    assert.ok(spec.kind === "service" || spec.kind === "worker");
    const program =
      spec.kind === "service"
        ? serviceProgram(workload as WorkloadOf<"service">, place)
        : workerProgram(workload as WorkloadOf<"worker">, place);
    return engine.engine.up(shop, program);
  };
  return { ...engine, up, made, taken, calls, [Symbol.dispose]: () => engine[Symbol.dispose]() };
}

test("a service is a Deployment of its revision, a Service and its host; a second apply changes nothing", async () => {
  using harness = makeHarness();
  const workload = workloadOf(web, { source });
  await harness.up(workload);
  const { spec } = harness.made("Deployment") as unknown as { spec: { template: { spec: Properties } } };
  const pod = spec.template.spec as unknown as {
    securityContext: Properties;
    containers: readonly [
      { securityContext: Properties; env: readonly { name: string; value?: string }[]; command: readonly string[] },
    ];
    automountServiceAccountToken: boolean;
  };
  assert.equal(pod.automountServiceAccountToken, false);
  assert.deepEqual(pod.securityContext, {
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
    runAsUser: 1000,
    runAsGroup: 1000,
    fsGroup: 1000,
  });
  const [main] = pod.containers;
  assert.deepEqual(main.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
  assert.deepEqual(main.command, ["/bin/sh", "-c", "exec node main.js"]);
  assert.equal(main.env.find(({ name }) => name === "PORT")?.value, "8000");
  const own = {
    "app.kubernetes.io/managed-by": "waybill",
    "waybill.dev/repository": "shop",
    "waybill.dev/environment": "production",
    "waybill.dev/deployment": "web",
    "waybill.dev/revision": "11111111",
  };
  const { metadata } = harness.made("Deployment") as unknown as { metadata: { labels: Properties } };
  assert.deepEqual(metadata.labels, { ...own, "waybill.dev/server": "5e44e4" });
  // Another label of pods is another pod: those of before the server had a name stay.
  const { template } = spec as unknown as { template: { metadata: { labels: Properties } } };
  assert.deepEqual(template.metadata.labels, own);
  assert.deepEqual((harness.made("Service")["spec"] as Properties)["selector"], {
    "waybill.dev/deployment": "web",
    "waybill.dev/revision": "11111111",
  });
  const taken = harness.taken();
  assert.deepEqual(taken.slice(0, 2).toSorted(), ["create web-11111111-secrets", "create web-11111111-source"]);
  assert.deepEqual(taken.slice(2), ["create web-11111111", "create web", "create web"]);
  const { changes } = await harness.up(workload);
  assert.deepEqual(harness.taken(), []);
  assert.equal(changes.same, 7);
  assert.doesNotMatch(JSON.stringify(await harness.engine.export(shop)), /postgres:|quite-secret|certificate/);
});

test("a port of gRPC says what is spoken there", async () => {
  using harness = makeHarness();
  await harness.up(workloadOf(`${web}routes: [{subdomain: calls, port: 9000, protocol: grpc}]\n`, { source }));
  const { ports } = harness.made("Service")["spec"] as unknown as { ports: readonly { appProtocol?: string }[] };
  assert.deepEqual(
    ports.map(({ appProtocol }) => appProtocol),
    [undefined, "kubernetes.io/h2c"],
  );
});

test("a new revision is there before the Service moves, and the old one goes last", async () => {
  using harness = makeHarness();
  const workload = workloadOf(web, { source });
  await harness.up(workload);
  harness.taken();
  await harness.up(workload, { revision: "22222222" });
  const taken = harness.taken();
  const at = (act: string): number => taken.indexOf(act);
  assert.ok(at("create web-22222222") < at("update web"), taken.join(", "));
  assert.ok(at("update web") < at("delete web-11111111"), taken.join(", "));
  assert.equal(taken.filter((act) => act === "update web").length, 2);
});

test("an address that was signed anew is no change", async () => {
  using harness = makeHarness();
  const workload = workloadOf(web, { source });
  await harness.up(workload);
  harness.taken();
  const place = placeOf(workload);
  assert.ok(place.source);
  await harness.up(workload, { source: { ...place.source, url: new Secret("http://server/later") } });
  assert.deepEqual(harness.taken(), []);
});

test("many replicas are spread, scaled and not all emptied at once", async () => {
  using harness = makeHarness();
  const workload = workloadOf(`${web}replicas: {min: 2, max: 5, targetCpu: 70}\n`, { source });
  await harness.up(workload, { replicas: 3 });
  assert.equal((harness.made("Deployment")["spec"] as Properties)["replicas"], 3);
  assert.deepEqual((harness.made("PodDisruptionBudget")["spec"] as Properties)["maxUnavailable"], 1);
  const { minReplicas, maxReplicas } = harness.made("HorizontalPodAutoscaler")["spec"] as Properties;
  assert.deepEqual([minReplicas, maxReplicas], [2, 5]);
  harness.taken();
  // How many there are now is the autoscaler's affair.
  await harness.up(workload, { replicas: 2 });
  assert.deepEqual(harness.taken(), []);
});

test("a worker is live when it has run for a while, whoever has a port when it answers", async () => {
  using harness = makeHarness();
  await harness.up(workloadOf(web, { source }));
  assert.equal((harness.made("Deployment")["spec"] as Properties)["minReadySeconds"], 0);
  using other = makeHarness();
  await other.up(workloadOf("kind: worker\ncommand: node main.js\n", { source }), { secrets: new Map() });
  assert.equal((other.made("Deployment")["spec"] as Properties)["minReadySeconds"], 10);
});

test("a pause leaves the host and its reason; a worker has no host", async () => {
  using harness = makeHarness();
  const workload = workloadOf(web, { source });
  await harness.up(workload);
  harness.taken();
  await harness.up({ ...workload, pause: { by: "ada", reason: "index" } });
  const taken = harness.taken();
  assert.equal(taken[0], "update web");
  assert.ok(taken.includes("delete web-11111111"), taken.join(", "));
  using other = makeHarness();
  await other.up(workloadOf("kind: worker\ncommand: node main.js\n", { source }), { secrets: new Map() });
  assert.deepEqual(other.taken(), ["create web-11111111-source", "create web-11111111"]);
});

test("a secret with a key is one that others have put there", async () => {
  using harness = makeHarness();
  const secrets =
    "secrets: [{name: shop-db, key: pass.word, env: DB}, {name: shop-db, key: pass.word, file: /etc/db}]\n";
  await harness.up(workloadOf(`kind: worker\ncommand: node main.js\n${secrets}`, { source }), { secrets: new Map() });
  const { spec } = harness.made("Deployment") as unknown as { spec: { template: { spec: Properties } } };
  const [main] = spec.template.spec["containers"] as readonly [{ env: readonly Properties[]; volumeMounts: unknown }];
  const variable = main.env.find(({ name }) => name === "DB");
  assert.deepEqual(variable?.["valueFrom"], { secretKeyRef: { name: "shop-db", key: "pass.word" } });
  const volumes = spec.template.spec["volumes"] as readonly Properties[];
  const volume = volumes.find(({ secret }) => secret !== undefined);
  assert.deepEqual(volume?.["secret"], { secretName: "shop-db" });
  assert.deepEqual((main.volumeMounts as readonly Properties[]).at(-1), {
    name: volume?.["name"],
    mountPath: "/etc/db",
    subPath: "pass.word",
    readOnly: true,
  });
  assert.deepEqual(harness.taken(), ["create web-11111111-source", "create web-11111111"]);
});

test("an environment is a namespace that lets in its own pods and the gateway", async () => {
  using harness = makeHarness();
  const place = {
    target: "cluster",
    server: "5e44e4",
    namespace: "shop--production",
    repository: "shop",
    environment: "production",
    quota: { "requests.cpu": "20" },
    gateway: { cidrs: ["10.0.0.1/32"] },
    pullSecret: new Secret('{"auths":{}}'),
  };
  await harness.engine.up(shop, environmentProgram(place));
  const { metadata } = harness.made("Namespace") as unknown as { metadata: { labels: Record<string, string> } };
  assert.equal(metadata.labels["pod-security.kubernetes.io/enforce"], "restricted");
  assert.deepEqual((harness.made("ResourceQuota")["spec"] as Properties)["hard"], { "requests.cpu": "20" });
  const policies = harness.calls.filter(({ inputs }) => inputs?.["kind"] === "NetworkPolicy");
  assert.deepEqual(
    policies.map(({ inputs }) => inputs?.["spec"]),
    [
      { podSelector: {}, policyTypes: ["Ingress"] },
      {
        podSelector: {},
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: "10.0.0.1/32" } }] }],
      },
    ],
  );
  const [pulling] = harness.made("ServiceAccount")["imagePullSecrets"] as readonly Properties[];
  assert.deepEqual(pulling, { name: "waybill-pull" });
});

test("a program of one's own, wherever it lies, uses the server's libraries and its program", async () => {
  await using folder = await temporaryFolder();
  const documented = /```ts\n(.*?)```/s.exec(readFileSync(join(packageRoot, "docs/kubernetes-target.md"), "utf8"))?.[1];
  const file = join(folder.path, "service.ts");
  writeFileSync(file, documented ?? "");
  const programs = await loadPrograms({ service: file });
  assert.equal(programs.worker, ownPrograms.worker);
  using harness = makeHarness();
  const workload = workloadOf(`${web}tags: {team: search}\n`, { source }) as WorkloadOf<"service">;
  await harness.engine.up(shop, programs.service(workload, placeOf(workload)));
  assert.deepEqual(harness.made("ConfigMap")["data"], { team: "search" });
  assert.equal(harness.taken().length, 6);
  writeFileSync(join(folder.path, "other.mjs"), "export const other = 1;");
  await assert.rejects(loadPrograms({ worker: join(folder.path, "other.mjs") }), {
    code: "SETTINGS_INVALID",
    message: /exports no function named program/,
  });
  await assert.rejects(loadPrograms({ worker: join(folder.path, "none.mjs") }), { code: "SETTINGS_INVALID" });
});
