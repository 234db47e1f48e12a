import type { Schema } from "./build.ts";
import { field, map, object } from "./build.ts";
import { text } from "./patterns.ts";
import { customSize } from "./workload.ts";

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
    domain: field("The domain under which deployments get their host names.", ["apps.example.org"], {
      type: "string",
      // RFC 1123, section 2.1, and an optional port.
      pattern: "^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::[0-9]{1,5})?$",
      maxLength: 250,
    }),
  }),
} as const satisfies Schema;
