import type { Kind } from "../deployment.ts";
import type { Schema } from "./build.ts";
import { field, map, object, ref, refs } from "./build.ts";
import { jobFields, siteFields } from "./job.ts";
import { shapes, text } from "./patterns.ts";
import { routingFields, routingVariants } from "./routing.ts";
import { deployFields, rolloutFields, workloadFields, workloadOverlayFields } from "./workload.ts";

export const kinds = ["service", "worker", "job", "site"] as const satisfies readonly Kind[];

const kindMeaning: Readonly<Record<Kind, string>> = {
  service: "A program that answers requests, for as long as it is deployed.",
  worker: "A program that runs for as long as it is deployed and answers no requests.",
  job: "A program that runs to its end, by schedule or on demand.",
  site: "A folder of files, published.",
};

const identityFields: Readonly<Record<string, Schema>> = {
  apiVersion: field("The version of this format.", ["waybill/v1"], { const: "waybill/v1" }),
  kind: field(`What it is. ${kinds.map((kind) => `\`${kind}\`: ${kindMeaning[kind]}`).join(" ")}`, ["service"], {
    enum: kinds,
  }),
  name: field("Its name, unique on the server. Without it: the file's name without .yaml.", ["ranker"], text("name")),
};

const commonFields: Readonly<Record<string, Schema>> = {
  description: field("What it is, for people.", ["Ranks products for the home page"], {
    type: "string",
    maxLength: 2000,
  }),
  tags: field("Words to find and group it by.", [{ team: "search" }], {
    ...map(field("A tag's value.", ["search"], { type: ["string", "number", "boolean"] }), {
      pattern: shapes.visible.pattern,
      maxLength: 100,
    }),
    maxProperties: 50,
  }),
  state: field(
    "`running` (the default); `paused`: kept ready but not running, schedules too; `stopped`: nothing is kept running.",
    ["paused"],
    { enum: ["running", "paused", "stopped"] },
  ),
};

const common = Object.keys(commonFields);
const workload = Object.keys(workloadFields);
const serverNames = ["port", "health", "replicas"];

/** The fields of each kind beside apiVersion, kind, name and environments. */
const fieldsOfKind: Readonly<Record<Kind, Readonly<Record<string, Schema>>>> = {
  service: {
    ...refs([
      ...common,
      ...workload,
      ...serverNames,
      "rollout",
      "deploy",
      "subdomain",
      "access",
      "routes",
      "components",
      "main",
    ]),
  },
  worker: { ...refs([...common, ...workload, "rollout", "deploy"]), replicas: ref("workerReplicas") },
  job: refs([...common, ...workload, ...Object.keys(jobFields)]),
  site: {
    ...refs([...common, "source", "build", "workingDir", "folder", "spa", "env", "deploy", "subdomain", "access"]),
    routes: ref("siteRoutes"),
  },
};

const componentFields: Readonly<Record<string, Schema>> = {
  kind: field("`service` (the default): others reach it at http://NAME; `worker`: nobody does.", ["worker"], {
    enum: ["service", "worker"],
  }),
  ...refs([...workload, ...serverNames]),
};

const componentsText =
  "The parts of a deployment of several, by name. They reach each other as http://NAME. " +
  "The fields of a workload that stand beside `components` are defaults for each part.";
const componentsExamples = [{ web: { command: "node server.js" }, ranker: { command: "python -m ranker" } }];

function components(part: string): Schema {
  return field(componentsText, componentsExamples, {
    ...map({ description: "One part.", examples: [{ command: "node server.js" }], ...ref(part) }, text("name")),
    minProperties: 1,
    maxProperties: 50,
  });
}

function overlaid(fields: Readonly<Record<string, Schema>>): Schema {
  const variants: Record<string, Schema> = {
    size: ref("sizeOverlay"),
    files: ref("filesOverlay"),
    components: ref("componentsOverlay"),
  };
  return object(Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name, variants[name] ?? schema])));
}

function kindDefinitions(kind: Kind): Record<string, Schema> {
  const fields = fieldsOfKind[kind];
  const identity = {
    ...refs(["apiVersion"]),
    kind: field(kindMeaning[kind], [kind], { const: kind, enum: [kind] }),
    ...refs(["name"]),
  };
  const environments = field(
    "What differs in single environments, by their names: laid over the rest key by key, at every depth. Lists are replaced.",
    [{ staging: { env: { LOG_LEVEL: "debug" } } }],
    {
      ...map(
        { description: "What differs there.", examples: [{ state: "paused" }], ...ref(`${kind}Overlay`) },
        text("name"),
      ),
      maxProperties: 50,
    },
  );
  return {
    [kind]: {
      title: kind,
      description: kindMeaning[kind],
      ...object({ ...identity, ...fields, environments }, ["apiVersion", "kind"]),
    },
    [`${kind}Overlay`]: { title: `${kind}, in one environment`, ...overlaid(fields) },
  };
}

/** deploy.schema.json. Each kind is complete under `$defs`, so that a file of known kind is held to that alone. */
export const deploymentSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://waybill.example/deploy.schema.json",
  title: "A Waybill deployment: deployments/NAME.yaml",
  type: "object",
  required: ["apiVersion", "kind"],
  properties: refs(["apiVersion", "kind"]),
  allOf: kinds.map((kind) => ({
    if: { type: "object", properties: { kind: { const: kind } }, required: ["kind"] },
    // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
    then: ref(kind),
  })),
  $defs: {
    ...Object.assign({}, ...kinds.map(kindDefinitions)),
    ...identityFields,
    ...commonFields,
    ...workloadFields,
    ...rolloutFields,
    ...deployFields,
    ...routingFields,
    ...jobFields,
    ...siteFields,
    main: field(
      "The component that answers at the deployment's own name; `web`, or the only one, by default.",
      ["web"],
      {
        ...text("name"),
      },
    ),
    components: components("component"),
    componentsOverlay: components("componentOverlay"),
    component: { title: "component", ...object(componentFields) },
    componentOverlay: { title: "component, in one environment", ...overlaid(componentFields) },
    ...routingVariants,
    ...workloadOverlayFields,
  },
} as const satisfies Schema;

/** Which kinds have a field of that name. */
export function kindsWith(name: string): Kind[] {
  return kinds.filter((kind) => Object.hasOwn(fieldsOfKind[kind], name));
}
