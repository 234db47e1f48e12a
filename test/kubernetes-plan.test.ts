import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Change } from "../src/release/plan.ts";
import type { ObjectChange } from "../src/release/deployer.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { clusterSkip, patience } from "./support/cluster.ts";
import { clusterWorld, type ClusterWorld } from "./support/cluster-world.ts";
import { deploy } from "./support/target-world.ts";
import { service, until } from "./support/served.ts";

// What a cluster answers to a dry run, in the plan of a push and in that of the command line.

const small = "size: {cpu: 0.02, memory: 64Mi}\n";
const admission = "admissionregistration.k8s.io/v1";

describe("a plan asks the cluster", { skip: clusterSkip(), timeout: 180_000 }, () => {
  let world: ClusterWorld;

  before(async () => {
    world = await clusterWorld();
  });
  after(async () => {
    await world?.close();
  });

  async function planned(files: Readonly<Record<string, string>>): Promise<Change> {
    await world.shop.write(files);
    const answer = (await world.served.json(["plan"], { cwd: world.shop.path })) as { changes: readonly Change[] };
    const change = answer.changes.find(({ action }) => action !== "unchanged");
    assert.ok(change, JSON.stringify(answer));
    return change;
  }
  const object = ({ objects = [] }: Change, kind: string, name = /./): ObjectChange => {
    const found = objects.find((one) => one.kind === kind && name.test(one.name));
    assert.ok(found, `no ${kind} in ${JSON.stringify(objects)}`);
    return found;
  };
  const applied = async (...objects: readonly KubeObject[]): Promise<void> => {
    for (const one of objects) await world.cluster.apply(one, { signal: patience() });
  };

  test("what is new is told before there is a namespace", async () => {
    const said = await deploy(world, "web", { text: "one", more: small });
    assert.match(said, /\+ create service web: the file is new\s+remote: +\+ Secret web-[0-9a-f]{8}-source\s/);
    assert.match(said, /\+ Deployment web-[0-9a-f]{8}\s+remote: +\+ Service web\s/);
  });

  test("a new revision shows what changes in its objects, old and new, and no secret", async () => {
    await world.served.cli(["secret", "set", "db"], { cwd: world.shop.path, input: "postgres://very-secret" });
    const more = `${small}env: {LOG_LEVEL: debug}\nsecrets: [{name: db, env: DATABASE_URL}]\n`;
    const change = await planned({
      "deployments/web.yaml": service("web", more).replace("node main.js", "node main.js web"),
    });
    const deployment = object(change, "Deployment");
    assert.equal(deployment.action, "replace");
    assert.match(deployment.was ?? "", /^web-[0-9a-f]{8}$/);
    const paths = deployment.fields.map(
      ({ path, from, to }) => `${path}: ${JSON.stringify(from)} ${JSON.stringify(to)}`,
    );
    assert.deepEqual(paths, [
      `spec.template.spec.containers[web].env[LOG_LEVEL]: null {"name":"LOG_LEVEL","value":"debug"}`,
      `spec.template.spec.containers[web].env[DATABASE_URL]: null ${JSON.stringify({
        name: "DATABASE_URL",
        valueFrom: { secretKeyRef: { name: `${deployment.name}-secrets`, key: "db" } },
      })}`,
    ]);
    assert.ok(
      deployment.filled.some(
        ({ path, from, to }) => path.endsWith("dnsPolicy") && from === null && to === "ClusterFirst",
      ),
    );
    assert.deepEqual(
      object(change, "Service").fields.map(({ path }) => path),
      ['metadata.labels["waybill.dev/revision"]', 'spec.selector["waybill.dev/revision"]'],
    );
    const secret = object(change, "Secret", /secrets$/);
    assert.equal(secret.action, "create");
    const text = JSON.stringify(change);
    assert.doesNotMatch(text, /very-secret|dmVyeS1zZWNyZXQ|cG9zdGdyZXM/);
    const { stderr, exitCode } = await world.shop.push({});
    assert.equal(exitCode, 0, stderr);
    const { cluster, namespace } = world;
    const made = { apiVersion: "apps/v1", kind: "Deployment", namespace, name: deployment.name };
    assert.ok(await cluster.get(made, patience()), "it is made as it was planned");
    assert.match(stderr, /± Deployment web-\w+ for web-\w+\s+remote: .*env\[LOG_LEVEL\]: none -> /);
    assert.doesNotMatch(stderr, /very-secret/);
  });

  test("what a policy refuses in the namespace refuses the push, and nothing changes", async () => {
    const { namespace } = world;
    await applied(
      {
        apiVersion: admission,
        kind: "ValidatingAdmissionPolicy",
        metadata: { name: namespace },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: {
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": namespace } },
            resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
          },
          validations: [
            {
              expression: "object.spec.containers.all(c, !c.?env.orValue([]).exists(e, e.name == 'FORBIDDEN'))",
              message: "no FORBIDDEN here",
            },
          ],
        },
      },
      {
        apiVersion: admission,
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name: namespace },
        spec: { policyName: namespace, validationActions: ["Deny"] },
      },
    );
    try {
      const files = { "deployments/web.yaml": service("web", `${small}env: {FORBIDDEN: "1"}\n`) };
      await until("the policy is in force", async () => {
        await world.shop.write(files);
        const { status, err } = await world.served.cli(["plan"], { cwd: world.shop.path });
        return status === 1 && err.includes("no FORBIDDEN here");
      });
      const { exitCode, stderr } = await world.shop.push(files);
      assert.notEqual(exitCode, 0);
      assert.match(stderr, /deployments\/web\.yaml:1:1 TARGET_REFUSED target "cluster" would refuse it: /);
      assert.match(stderr, /denied request: no FORBIDDEN here/);
      assert.equal((await world.served.get("web")).body, "one");
    } finally {
      for (const kind of ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"]) {
        await world.cluster.delete({ apiVersion: admission, kind, name: namespace }, { signal: patience() });
      }
      await world.shop.git("reset", "--quiet", "--hard", "origin/main");
    }
  });

  test("a limit that no pod of it keeps refuses the push; a quota that is full is said", async () => {
    const { namespace } = world;
    await applied({
      apiVersion: "v1",
      kind: "LimitRange",
      metadata: { name: "most", namespace },
      spec: { limits: [{ type: "Container", max: { memory: "600Mi" } }] },
    });
    const wide = service("web", "size: {cpu: 0.02, memory: 700Mi}\n");
    const refused = await world.shop.push({ "deployments/web.yaml": wide });
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.stderr, /maximum memory usage per Container is 600Mi, but limit is 700Mi/);
    await world.shop.git("reset", "--quiet", "--hard", "origin/main");
    await world.cluster.delete(
      { apiVersion: "v1", kind: "LimitRange", namespace, name: "most" },
      { signal: patience() },
    );
    await applied({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "most", namespace },
      spec: { hard: { "requests.memory": "100Mi" } },
    });
    await world.shop.write({ "deployments/web.yaml": service("web", "size: {cpu: 0.02, memory: 80Mi}\n") });
    let said = "";
    await until("the quota counts", async () => {
      said = (await world.served.cli(["plan"], { cwd: world.shop.path })).out;
      return said.includes("exceeded quota: most");
    });
    assert.match(said, /note: web: its pods would not be let in now: /);
    await world.cluster.delete(
      { apiVersion: "v1", kind: "ResourceQuota", namespace, name: "most" },
      { signal: patience() },
    );
    await world.shop.git("reset", "--quiet", "--hard", "origin/main");
  });
});
