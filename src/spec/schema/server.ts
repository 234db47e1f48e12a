import type { Schema } from "./build.ts";
import { field, list, map, object } from "./build.ts";
import { ingress } from "./ingress.ts";
import { shapes, text } from "./patterns.ts";
import { customSize } from "./workload.ts";

const toleration = field(
  "A taint that its pods do not mind, as Kubernetes writes it.",
  [{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }],
  object({
    key: field("The taint's key; any without it.", ["nvidia.com/gpu"], text("qualifiedName")),
    operator: field("`Equal` (the default) compares the value, `Exists` does not.", ["Exists"], {
      enum: ["Exists", "Equal"],
    }),
    value: field("The taint's value.", ["present"], text("labelValue")),
    effect: field("The taint's effect; any without it.", ["NoSchedule"], {
      enum: ["NoSchedule", "PreferNoSchedule", "NoExecute"],
    }),
  }),
);

const gpu = field(
  "One kind of GPU, and how the cluster is asked for it.",
  [{ type: "h100", resource: "nvidia.com/gpu", nodeSelector: { "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3" } }],
  object(
    {
      type: field("Its name in a size's `gpu.type`.", ["h100"], { ...text("visible"), maxLength: 100 }),
      slice: field("For a part of a card: its name in a size's `gpu.slice`.", ["1g.10gb"], {
        ...text("visible"),
        maxLength: 100,
      }),
      resource: field("What nodes count it as.", ["nvidia.com/gpu", "nvidia.com/mig-1g.10gb"], text("qualifiedName")),
      nodeSelector: field(
        "Labels of the nodes that have it. A list means any of these values.",
        [{ "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3" }],
        map(
          field("The label's value, or several.", ["NVIDIA-L4"], {
            type: ["string", "array"],
            pattern: shapes.labelValue.pattern,
            items: field("One of the label's values.", ["NVIDIA-L4"], text("labelValue")),
            minItems: 1,
          }),
          text("qualifiedName"),
        ),
      ),
      tolerations: field(
        "Taints that its pods do not mind; that of nvidia.com/gpu by default.",
        [[{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]],
        list(toleration, { maxItems: 50 }),
      ),
    },
    ["type", "resource"],
  ),
);

const file = (description: string, example: string): Schema =>
  field(description, [example], { ...text("visible"), maxLength: 1000 });

/** What each environment's namespace is made of. */
const namespaces = {
  quota: field(
    "What the deployments of one environment may take together: a ResourceQuota's hard limits.",
    [{ "requests.cpu": "40", "requests.nvidia.com/gpu": "4", pods: "200" }],
    map(field("At most this much.", ["40"], { ...text("visible"), maxLength: 100 }), text("qualifiedName")),
  ),
  gateway: field(
    "Whence this server's requests reach pods, which take none from elsewhere. By default the address of sourceUrl where that is a number, else anywhere.",
    [{ cidrs: ["10.0.0.7/32"] }, { namespace: "waybill" }],
    object({
      cidrs: field(
        "Ranges of addresses.",
        [["10.0.0.7/32"]],
        list(field("One range.", ["10.0.0.0/24"], { type: "string", pattern: "^[0-9a-fA-F.:]+/[0-9]{1,3}$" }), {
          minItems: 1,
        }),
      ),
      namespace: field("The namespace that it runs in, instead.", ["waybill"], text("name")),
    }),
  ),
  ingress,
  pullSecret: file("A file as `docker login` writes it, for images that are not public.", "/etc/waybill/docker.json"),
  templates: field(
    "Programs of your own in place of Waybill's: modules that export `program` (docs/kubernetes-target.md).",
    [{ service: "/etc/waybill/service.ts" }],
    object({
      environment: file("For what an environment's deployments share.", "/etc/waybill/environment.ts"),
      service: file("For services.", "/etc/waybill/service.ts"),
      worker: file("For workers.", "/etc/waybill/worker.ts"),
    }),
  ),
} as const;

const pulumi = object({
  command: file("The Pulumi CLI; by default `pulumi` on PATH.", "/usr/local/bin/pulumi"),
  backend: file(
    "Where the state is kept, as `pulumi login` takes it; by default the server's data folder.",
    "s3://acme-pulumi-state",
  ),
  organization: field("Whose stacks they are, on a backend that has organizations.", ["acme"], {
    ...text("visible"),
    maxLength: 100,
  }),
  passphraseFile: file(
    "Holds the passphrase that seals secrets in the state; by default one made from the server's own key.",
    "/etc/waybill/pulumi-passphrase",
  ),
  secretsProvider: file(
    "Seals secrets in the state in place of a passphrase, as `pulumi stack init --secrets-provider` takes it.",
    "awskms://alias/pulumi?region=eu-central-1",
  ),
});

const target = object(
  {
    kind: field("What it is: processes of this machine, or a Kubernetes cluster.", ["local"], {
      enum: ["local", "kubernetes"],
    }),
    kubeconfig: field(
      "The file that says how to reach the cluster; the usual ones without it.",
      ["/etc/waybill/kube"],
      {
        ...text("visible"),
        maxLength: 1000,
      },
    ),
    context: field("The context of that file; its current one without it.", ["production"], {
      ...text("visible"),
      maxLength: 300,
    }),
    engine: field("What runs the templates: Waybill itself (the default) or the Pulumi CLI.", ["in-process"], {
      enum: ["in-process", "pulumi-cli"],
    }),
    pulumi: field(
      "For engine: pulumi-cli.",
      [{ backend: "s3://acme-pulumi-state", passphraseFile: "/etc/waybill/pulumi-passphrase" }],
      pulumi,
    ),
    runtimes: field(
      "The image that sources without an image of their own run in, by runtime.",
      [{ node: "node:24", python: "python:3.13" }],
      object({
        node: field("For Node.js.", ["node:24"], { ...text("visible"), maxLength: 1000 }),
        python: field("For Python.", ["python:3.13"], { ...text("visible"), maxLength: 1000 }),
      }),
    ),
    sourceUrl: field("Where the cluster reaches this server to fetch sources.", ["http://waybill.internal:8080"], {
      type: "string",
      pattern: "^https?://[^\\s]+$",
    }),
    gpus: field(
      "How sizes ask for GPUs, the first that fits. Without a word about a kind: NVIDIA's resource names and node labels.",
      [[{ type: "mi300x", resource: "amd.com/gpu", nodeSelector: { "amd.com/gpu.product-name": "MI300X" } }]],
      list(gpu, { maxItems: 100 }),
    ),
    drift: field(
      "What becomes of what others change of Waybill's objects: it is shown, or shown and put back; `show` by default.",
      ["restore"],
      { enum: ["show", "restore"] },
    ),
    schedules: field(
      "What fires the schedules of jobs: the server, which can do all of them, or CronJobs of the cluster, which need no server; `server` by default.",
      ["cronJobs"],
      { enum: ["server", "cronJobs"] },
    ),
    autoscaled: field(
      "Whether the cluster adds nodes for pods that find no place. Every revision then starts beside the old one, whatever its `rollout`; false by default.",
      [true],
      { type: "boolean" },
    ),
    ...namespaces,
  },
  ["kind"],
);

/** schemas/server.schema.json: the file of `waybill serve --config FILE`. */
export const serverSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://waybill.example/schemas/server.schema.json",
  title: "The settings of a server: waybill serve --config FILE",
  ...object({
    targets: field(
      "What deployments run on, by name. Without them: `local`, this machine.",
      [{ local: { kind: "local" }, cluster: { kind: "kubernetes", context: "production" } }],
      {
        ...map(field("One target.", [{ kind: "local" }], target), text("name")),
        minProperties: 1,
      },
    ),
    defaultTarget: field(
      "The target of environments that name none; the first one by default.",
      ["local"],
      text("name"),
    ),
    sizes: field(
      "The catalogue that `size: NAME` chooses from, in place of the one that comes with Waybill.",
      [{ "cpu-small": { cpu: 0.5, memory: "1Gi" }, "gpu-small": { cpu: 4, memory: "16Gi", gpu: { count: 1 } } }],
      {
        ...map(field("One size.", [{ cpu: 0.5, memory: "1Gi" }], object(customSize, ["cpu", "memory"])), text("name")),
        minProperties: 1,
      },
    ),
    runs: field(
      "What jobs' runs may leave behind.",
      [{ outputLimit: "5Gi" }],
      object({
        outputLimit: field(
          "Of the files that a run leaves under WAYBILL_OUTPUT so many bytes are kept, in the order of their paths; 1Gi by default.",
          ["5Gi"],
          { ...text("visible"), type: ["string", "integer"], minimum: 1 },
        ),
      }),
    ),
    domain: field("The domain under which deployments get their host names.", ["apps.example.org"], {
      type: "string",
      // RFC 1123, section 2.1, and an optional port.
      pattern: "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[0-9]{1,5})?$",
      maxLength: 250,
    }),
  }),
} as const satisfies Schema;
