import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import type { Json } from "../src/engine/provider.ts";
import { isStatus } from "../src/targets/kubernetes/cluster/cluster-error.ts";
import { openConnection } from "../src/targets/kubernetes/cluster/connection.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { makeTransport } from "../src/targets/kubernetes/cluster/transport.ts";
import { clusterSkip, kubeconfigPath, patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { service, until, webProgram } from "./support/served.ts";
import { statusOf, untilState } from "./support/target-world.ts";

// What the programs for a cluster make, seen in one: scaling, limits, quotas, evictions, policies, other runtimes.

/** With Python, sh and tar. The cluster must have it, or be able to pull it. */
const pythonImage = process.env["WAYBILL_TEST_PYTHON_IMAGE"] ?? "local/python:1";
const small = "size: {cpu: 0.02, memory: 64Mi}\n";
const limitMs = 90_000;

type Spec = { readonly [key: string]: Json };
type Whole = KubeObject & { readonly spec?: Spec; readonly status?: Spec };

const hardOf = ({ spec = {} }: Whole): Spec => spec["hard"] as Spec;
const templateOf = ({ spec = {} }: Whole): Spec => (spec["template"] as Spec)["spec"] as Spec;

describe("programs of a cluster", { skip: clusterSkip(), timeout: 600_000 }, () => {
  let world: ClusterWorld;
  const pull = join(tmpdir(), `waybill-pull-${process.pid}.json`);

  before(async () => {
    await writeFile(pull, '{"auths":{"registry.example.org":{"auth":"dTpw"}}}');
    world = await clusterWorld(`    quota: {pods: "4"}\n    pullSecret: ${pull}\n`, { python: pythonImage });
  });
  after(async () => {
    await world?.close();
    await rm(pull, { force: true });
  });

  const list = async (apiVersion: string, kind: string, deployment = ""): Promise<readonly Whole[]> => {
    const labelSelector = deployment === "" ? {} : { labelSelector: `waybill.dev/deployment=${deployment}` };
    const selection = { apiVersion, kind, namespace: world.namespace, ...labelSelector };
    const { items } = await world.cluster.list<Whole>(selection, patience());
    return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  };
  const only = async (apiVersion: string, kind: string, deployment = ""): Promise<Whole> => {
    const [found, ...others] = await list(apiVersion, kind, deployment);
    assert.ok(found && others.length === 0, `one ${kind} was wanted, not ${others.length + (found ? 1 : 0)}`);
    return found;
  };
  async function pushed(files: Readonly<Record<string, string>>): Promise<string> {
    const { exitCode, stderr } = await world.shop.push(files);
    assert.equal(exitCode, 0, stderr);
    return stderr;
  }

  test("an environment pulls with its secret, limits what says nothing, and admits its own pods and the gateway", async () => {
    await pushed({
      "deployments/web.yaml": service("web", `${small}replicas: {min: 2, max: 3, targetCpu: 70}\n`),
      "web/main.js": webProgram("one"),
    });
    const { namespace, cluster } = world;
    for (const { spec } of await list("v1", "Pod", "web")) {
      assert.deepEqual(spec?.["imagePullSecrets"], [{ name: "waybill-pull" }]);
      assert.equal(spec?.["serviceAccountName"], "waybill");
    }
    const bare = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "bare", namespace },
      spec: {
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: "bare",
            image: "local/node:1",
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
          },
        ],
      },
    };
    const limited = (await cluster.apply(bare, { signal: patience(), dryRun: true })) as Whole;
    const [container] = (limited.spec?.["containers"] ?? []) as readonly Spec[];
    assert.deepEqual(container?.["resources"], {
      limits: { memory: "512Mi" },
      requests: { cpu: "100m", memory: "128Mi" },
    });
    await assert.rejects(
      cluster.apply({ ...bare, spec: { ...bare.spec, hostNetwork: true } }, { signal: patience(), dryRun: true }),
      /violates PodSecurity "restricted/,
    );
    const policies = await list("networking.k8s.io/v1", "NetworkPolicy");
    assert.deepEqual(
      policies.map(({ metadata, spec }) => [metadata.name, (spec?.["ingress"] as readonly Spec[] | undefined) ?? []]),
      [
        ["waybill-admit", [{ from: [{ podSelector: {} }, { ipBlock: { cidr: "10.244.0.1/32" } }] }]],
        ["waybill-deny", []],
      ],
    );
  });

  test("replicas are spread, scaled within their bounds, and the autoscaler's trouble is said", async () => {
    const { spec } = await only("autoscaling/v2", "HorizontalPodAutoscaler", "web");
    assert.deepEqual([spec?.["minReplicas"], spec?.["maxReplicas"]], [2, 3]);
    const deployment = await only("apps/v1", "Deployment", "web");
    const template = templateOf(deployment);
    const spread = template["topologySpreadConstraints"] as readonly Spec[];
    assert.deepEqual(
      spread.map(({ topologyKey, whenUnsatisfiable }) => [topologyKey, whenUnsatisfiable]),
      [
        ["kubernetes.io/hostname", "ScheduleAnyway"],
        ["topology.kubernetes.io/zone", "ScheduleAnyway"],
      ],
    );
    await until(
      "the status tells that nothing is measured",
      async () => /stays at 2 replicas: .*metrics/.test((await statusOf(world, "web")).reason),
      limitMs,
    );
    assert.equal((await statusOf(world, "web")).state, "ready");
  });

  test("machines are emptied one replica at a time", async () => {
    await until("both are ready", async () => {
      const { status } = await only("policy/v1", "PodDisruptionBudget", "web");
      return status?.["disruptionsAllowed"] === 1;
    });
    const connection = await openConnection({ kubeconfig: kubeconfigPath() }, systemClock);
    try {
      const transport = makeTransport({ connection, clock: systemClock, patienceMs: 0 });
      const evict = ({ metadata: { name } }: Whole): Promise<string> =>
        transport.call({
          method: "POST",
          path: `/api/v1/namespaces/${world.namespace}/pods/${name}/eviction`,
          body: JSON.stringify({
            apiVersion: "policy/v1",
            kind: "Eviction",
            metadata: { name, namespace: world.namespace },
          }),
          doing: `evict ${name}`,
          signal: patience(),
        });
      const [first, second] = await list("v1", "Pod", "web");
      assert.ok(first && second);
      await evict(first);
      await assert.rejects(evict(second), (error) => isStatus(error, 429) && /disruption budget/.test(String(error)));
      assert.equal((await world.served.get("web")).body, "one");
    } finally {
      connection.close();
    }
    await untilState(world, "web", "ready");
  });

  test("a Python program and a worker run; what the quota has no room for waits, until it is raised", async () => {
    const { served } = world;
    const { cluster, namespace } = world;
    const outside = { apiVersion: "v1", kind: "Secret", metadata: { name: "outside", namespace } };
    await cluster.apply({ ...outside, stringData: { "to.ken": "known" } }, { signal: patience() });
    const python = `import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(("python " + os.environ["TOKEN"] + " " + open("/etc/outside").read()).encode())
print("serving")
http.server.HTTPServer(("0.0.0.0", int(os.environ["PORT"])), Handler).serve_forever()
`;
    await pushed({
      "deployments/web.yaml": service("web", small),
      "deployments/py.yaml": service(
        "py",
        `${small}secrets: [{name: outside, key: to.ken, env: TOKEN}, {name: outside, key: to.ken, file: /etc/outside}]\n`,
      ).replace("node main.js", "python main.py"),
      "py/main.py": python,
      "deployments/queue.yaml": `apiVersion: waybill/v1\nkind: worker\nsource: {path: queue}\ncommand: node main.js\n${small}`,
      "queue/main.js": "console.log('working'); setInterval(() => undefined, 1000);",
    });
    // The last one may have to wait until another's second replica is gone.
    for (const name of ["py", "queue"]) {
      await until(`${name} is ready`, async () => (await statusOf(world, name)).state === "ready", limitMs);
    }
    assert.equal((await served.get("py")).body, "python known known");
    await until("its line comes", async () => /serving/.test((await served.cli(["logs", "py"])).out), limitMs);
    const { stderr } = await world.shop.push({
      "deployments/more.yaml": service("web", `${small}replicas: 2\n`),
    });
    assert.match(stderr, /more +waiting/);
    const { reason } = await statusOf(world, "more");
    assert.match(reason, /quota/);
    const quota = await only("v1", "ResourceQuota");
    await served.stop();
    const settings = join(served.folder, "server.yaml");
    await writeFile(settings, (await readFile(settings, "utf8")).replace('pods: "4"', 'pods: "9"'));
    await served.start();
    await until("it is ready", async () => (await statusOf(world, "more")).state === "ready", limitMs);
    const raised = await only("v1", "ResourceQuota");
    assert.equal(raised.metadata.uid, quota.metadata.uid);
    assert.deepEqual(hardOf(raised)["pods"], "9");
  });
});
