import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { systemClock } from "../src/core/clock.ts";
import { silentLog } from "../src/core/log.ts";
import type { StackName } from "../src/core/stack.ts";
import { makeSurvey, type Survey } from "../src/targets/kubernetes/capacity/survey.ts";
import { podShortage } from "../src/targets/kubernetes/capacity/pod-shortage.ts";
import type { Cluster } from "../src/targets/kubernetes/cluster/cluster.ts";
import type { KubeObject } from "../src/targets/kubernetes/cluster/object.ts";
import { deploymentLabels, labels } from "../src/targets/kubernetes/names.ts";
import { makeClusterStatus, type ClusterStatus } from "../src/targets/kubernetes/observe/status.ts";
import { clusterSkip, freshNamespace, openTestCluster, patience } from "./support/cluster.ts";

// What a cluster does to a program, in the words that people see: each of them for real.

const image = process.env["WAYBILL_TEST_NODE_IMAGE"] ?? "local/node:1";
const limitMs = 150_000;

const security = { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } };
const podSecurity = { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } };
const requests = { cpu: "10m", memory: "64Mi" };

interface Given {
  readonly container?: object;
  readonly pod?: object;
}

describe("what only a cluster can do to a program", { skip: clusterSkip(), timeout: 600_000 }, () => {
  const repository = `kb-${randomBytes(3).toString("hex")}`;
  let cluster: Cluster;
  let status: ClusterStatus;
  let survey: Survey;
  const opened = new AsyncDisposableStack();

  before(async () => {
    cluster = await openTestCluster();
    opened.defer(() => cluster.close());
    const clock = systemClock;
    survey = makeSurvey({ cluster, server: "5e44e4", clock, log: silentLog, onChange: () => undefined });
    opened.defer(() => survey.close());
    await survey.ready;
    const shortage = ({ metadata }: KubeObject): string | null => {
      const capacity = survey.capacity();
      return capacity && podShortage(capacity, metadata);
    };
    status = makeClusterStatus({ cluster, server: "5e44e4", clock, log: silentLog, shortage });
    opened.defer(() => status.close());
  });
  after(() => opened.disposeAsync());

  const apply = (object: object): Promise<KubeObject> =>
    cluster.apply(object as KubeObject, { signal: patience(), fieldManager: "waybill" });

  /** The reason, once one is said that `expected` fits. */
  async function reasonOf(name: string, given: Given, expected: RegExp, space?: string): Promise<void> {
    await using own = space === undefined ? await freshNamespace(`kb-${name}`) : null;
    const namespace = space ?? own?.name ?? "";
    const stack: StackName = { repository, environment: "production", deployment: name };
    const own1 = { ...deploymentLabels(stack), [labels.revision]: "0a1b2c3d" };
    await apply({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace, labels: own1 },
      spec: {
        replicas: 1,
        selector: { matchLabels: { [labels.deployment]: name } },
        template: {
          metadata: { labels: own1 },
          spec: {
            terminationGracePeriodSeconds: 1,
            securityContext: podSecurity,
            containers: [
              {
                name,
                image,
                imagePullPolicy: "IfNotPresent",
                resources: { requests },
                securityContext: security,
                ...given.container,
              },
            ],
            ...given.pod,
          },
        },
      },
    });
    const said = new Set<string>();
    const fits = Promise.withResolvers<void>();
    const stop = status.onStatus((change) => {
      if (change.stack.deployment !== name) return;
      said.add(`${change.status.state}: ${change.status.reason}`);
      if (expected.test(change.status.reason)) fits.resolve();
    });
    const timer = setTimeout(() => fits.reject(new Error(`${name} said only: ${[...said].join(" | ")}`)), limitMs);
    try {
      await fits.promise;
    } finally {
      clearTimeout(timer);
      stop();
    }
  }
  const node = (program: string): object => ({ command: ["node", "-e", program] });
  const served = (path: string, program: string): object => ({
    ...node(program),
    ports: [{ containerPort: 8000 }],
    readinessProbe: { httpGet: { path, port: 8000 }, periodSeconds: 1 },
  });

  test("an image that cannot be pulled", () =>
    reasonOf(
      "pull",
      { container: { image: "registry.invalid/none:1" } },
      /^image registry\.invalid\/none:1 cannot be pulled/,
    ));

  test("no node with room, with exactly what is short", () => {
    const limits = { ...requests, "nvidia.com/gpu": "3" };
    return reasonOf(
      "room",
      { container: { resources: { requests: limits, limits } } },
      /^no node has .*3.*: the largest has .*2/,
    );
  });

  test("a quota that is used up", async () => {
    await using space = await freshNamespace("kb-quota");
    await apply({
      apiVersion: "v1",
      kind: "ResourceQuota",
      metadata: { name: "waybill", namespace: space.name },
      spec: { hard: { pods: "0" } },
    });
    await reasonOf(
      "quota",
      {},
      /^the environment's quota is used up: requested: pods=1, used: pods=0, limited: pods=0/,
      space.name,
    );
  });

  test("more memory than it may have", () =>
    reasonOf(
      "memory",
      {
        container: {
          ...node("const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 5)"),
          resources: { requests, limits: { memory: "64Mi" } },
        },
      },
      /^killed for memory: it used more than its 64Mi; give it a larger size/,
    ));

  test("more files than it may have", async (context) => {
    const { items } = await cluster.list({ apiVersion: "v1", kind: "Node" }, patience());
    const measures = ({ status: node }: KubeObject): boolean =>
      (node as { allocatable?: Readonly<Record<string, string>> }).allocatable?.["ephemeral-storage"] !== undefined;
    if (!items.some(measures)) return context.skip("the cluster's nodes do not measure what pods write");
    return reasonOf(
      "evicted",
      {
        container: {
          ...node("require('fs').writeFileSync('/tmp/big', Buffer.alloc(4e7)); setInterval(() => 0, 1000)"),
          resources: { requests, limits: { "ephemeral-storage": "4Mi" } },
          volumeMounts: [{ name: "tmp", mountPath: "/tmp" }],
        },
        pod: { volumes: [{ name: "tmp", emptyDir: {} }] },
      },
      /^evicted: .*ephemeral local storage usage exceeds/,
    );
  });

  test("a readiness probe, with its answer", () => {
    const program =
      "require('http').createServer((_, answer) => { answer.statusCode = 503; answer.end('warming') }).listen(8000)";
    return reasonOf("probe", { container: served("/healthz", program) }, /^the health check answers 503/);
  });

  test("nothing that listens", () =>
    reasonOf("deaf", { container: served("/", "setInterval(() => 0, 1000)") }, /^nothing listens on port 8000: /));

  test("a Secret that is not there", () =>
    reasonOf(
      "secret",
      { container: { ...node("0"), env: [{ name: "A", valueFrom: { secretKeyRef: { name: "missing", key: "a" } } }] } },
      /^secret "missing" does not exist/,
    ));

  test("what the namespace's pod security does not allow", async () => {
    await using space = await freshNamespace("kb-security");
    await apply({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: space.name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    });
    const privileged = { container: { securityContext: { privileged: true } } };
    await reasonOf(
      "security",
      privileged,
      /^admission refused: violates PodSecurity "restricted:latest": privileged/,
      space.name,
    );
  });

  test("what a policy of the cluster refuses", async () => {
    await using space = await freshNamespace("kb-policy");
    const name = space.name;
    const policy = { apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingAdmissionPolicy" };
    const binding = { apiVersion: "admissionregistration.k8s.io/v1", kind: "ValidatingAdmissionPolicyBinding" };
    try {
      await apply({
        ...policy,
        metadata: { name },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: {
            resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
          },
          validations: [{ expression: "false", message: "every pod needs an owner: ask the platform team" }],
        },
      });
      await apply({
        ...binding,
        metadata: { name },
        spec: {
          policyName: name,
          validationActions: ["Deny"],
          matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": name } } },
        },
      });
      // A policy is in force a moment after it was made.
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      await reasonOf("policy", {}, /^admission refused: .*every pod needs an owner: ask the platform team/, name);
    } finally {
      await cluster.delete({ ...binding, name }, { signal: patience() });
      await cluster.delete({ ...policy, name }, { signal: patience() });
    }
  });
});
