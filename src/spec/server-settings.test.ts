import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultSizes } from "./context.ts";
import { formatProblem } from "./problem.ts";
import { defaultServerSettings, parseServerSettings } from "./server-settings.ts";

const problemsOf = (text: string): string[] => parseServerSettings(text, "server.yaml").problems.map(formatProblem);

test("settings are completed", () => {
  const text = `targets:
  here: {kind: local}
  cluster: {kind: kubernetes, context: production, engine: pulumi-cli, runtimes: {node: "node:24"}}
defaultTarget: cluster
sizes:
  small: {cpu: 500m, memory: 1Gi}
  large: {cpu: 8, memory: 64Gi, gpu: {type: h100}, spot: true}
domain: apps.example.org
`;
  assert.deepEqual(parseServerSettings(text, "server.yaml"), {
    settings: {
      targets: {
        here: { kind: "local", engine: "in-process" },
        cluster: {
          kind: "kubernetes",
          engine: "pulumi-cli",
          context: "production",
          runtimes: { node: "node:24" },
          gpus: [],
        },
      },
      defaultTarget: "cluster",
      sizes: {
        small: { cpu: 0.5, memoryBytes: 2 ** 30 },
        large: { cpu: 8, memoryBytes: 2 ** 36, gpu: { count: 1, type: "h100" }, spot: true },
      },
      domain: "apps.example.org",
    },
    problems: [],
  });
});

test("an empty file means the defaults", () => {
  assert.deepEqual(parseServerSettings("# nothing yet\n", "server.yaml").settings, defaultServerSettings);
  assert.deepEqual(parseServerSettings("domain: localhost:8080\n", "server.yaml").settings?.sizes, defaultSizes);
});

test("what is wrong is said where it stands", () => {
  const text = `targets:
  here: {kind: local, kubeconfig: /etc/kube}
  there: {kind: kubernets}
defaultTarget: heer
sizes: {none: {cpu: "0", memory: 1Gi}}
domian: example.org
`;
  assert.deepEqual(problemsOf(text), [
    "server.yaml:2:23 FIELD_NOT_FOR_KIND kubeconfig is for targets of kind kubernetes: remove it, or change kind",
    'server.yaml:3:17 FIELD_VALUE targets.there.kind "kubernets" is not one of local, kubernetes. Did you mean "kubernetes"?',
    'server.yaml:4:16 TARGET_UNKNOWN defaultTarget "heer" is not one of targets. Did you mean "here"?',
    "server.yaml:5:21 QUANTITY_INVALID cpu 0 is not a quantity such as 0.5 or 500m",
    'server.yaml:6:1 FIELD_UNKNOWN "domian" is not a field of the settings. Did you mean "domain"?',
  ]);
  assert.deepEqual(problemsOf("- a\n"), ["server.yaml:1:1 FIELD_TYPE the settings are a map, found a list"]);
});

test("a cluster says how its GPUs are asked for", () => {
  const text = `targets:
  cluster:
    kind: kubernetes
    gpus:
      - {type: mi300x, resource: amd.com/gpu, tolerations: [{key: gpu, operator: Exists}]}
      - {type: l4, slice: half, resource: nvidia.com/gpu.shared, nodeSelector: {gpu: [l4, l4-shared], pool: "a"}}
`;
  const { settings } = parseServerSettings(text, "server.yaml");
  const cluster = settings?.targets["cluster"];
  assert.deepEqual(cluster?.kind === "kubernetes" && cluster.gpus, [
    { type: "mi300x", resource: "amd.com/gpu", nodeSelector: {}, tolerations: [{ key: "gpu", operator: "Exists" }] },
    {
      type: "l4",
      slice: "half",
      resource: "nvidia.com/gpu.shared",
      nodeSelector: { gpu: ["l4", "l4-shared"], pool: "a" },
    },
  ]);
  const wrong = `targets:
  here: {kind: local, gpus: []}
  cluster: {kind: kubernetes, gpus: [{type: l4, resource: "a b", nodeSelector: {gpu: [1]}}, {resource: gpu}]}
`;
  assert.deepEqual(problemsOf(wrong), [
    "server.yaml:2:23 FIELD_NOT_FOR_KIND gpus is for targets of kind kubernetes: remove it, or change kind",
    'server.yaml:3:59 FIELD_VALUE targets.cluster.gpus[0].resource "a b" is not a name as Kubernetes has them, such as nvidia.com/gpu',
    "server.yaml:3:87 FIELD_TYPE targets.cluster.gpus[0].nodeSelector.gpu[0] must be text, found 1: put it in quotes",
    'server.yaml:3:93 FIELD_MISSING targets.cluster.gpus[1] needs "type": add it',
  ]);
});

test("the Pulumi CLI's settings are for its engine", () => {
  const of = (engine: string): string => `targets:
  here: {kind: local, engine: ${engine}, pulumi: {backend: "s3://state", organization: acme}}
`;
  assert.deepEqual(parseServerSettings(of("pulumi-cli"), "server.yaml").settings?.targets["here"], {
    kind: "local",
    engine: "pulumi-cli",
    pulumi: { backend: "s3://state", organization: "acme" },
  });
  assert.deepEqual(problemsOf(of("in-process")), [
    "server.yaml:2:43 FIELD_NOT_FOR_KIND pulumi is for the engine pulumi-cli: remove it, or add engine: pulumi-cli",
  ]);
});

test("who fires schedules is a matter of clusters", () => {
  const of = (kind: string, schedules: string): string =>
    `targets:\n  here: {kind: ${kind}, schedules: ${schedules}}\n`;
  const { settings } = parseServerSettings(of("kubernetes", "cronJobs"), "server.yaml");
  assert.deepEqual(settings?.targets["here"], {
    kind: "kubernetes",
    engine: "in-process",
    schedules: "cronJobs",
    runtimes: {},
    gpus: [],
  });
  assert.deepEqual(problemsOf(of("local", "server")), [
    "server.yaml:2:23 FIELD_NOT_FOR_KIND schedules is for targets of kind kubernetes: remove it, or change kind",
  ]);
  assert.match(problemsOf(of("kubernetes", "cronjobs"))[0] ?? "", /is not one of server, cronJobs/);
});
