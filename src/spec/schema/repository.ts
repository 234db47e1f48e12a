import type { Schema } from "./build.ts";
import { field, list, map, object } from "./build.ts";
import { text } from "./patterns.ts";

const freeze = object(
  {
    cron: field("When it begins: five fields of a cron expression.", ["0 17 * * FRI"], {
      ...text("visible"),
      maxLength: 200,
    }),
    duration: field("How long it lasts.", ["63h"], text("duration")),
    timezone: field("The IANA time zone of `cron`; UTC by default.", ["Europe/Berlin"], {
      type: "string",
      maxLength: 100,
    }),
    reason: field("Why, for those who wait.", ["Nobody is on call at the weekend"], { type: "string", maxLength: 500 }),
  },
  ["cron", "duration"],
);

const target = field("The target of the server's settings to run on; the server's default without it.", ["cluster"], {
  ...text("name"),
});

const environment = object({
  branch: field("The branch that it follows. Without it snapshots come by promotion or by hand.", ["main"], {
    ...text("ref"),
    maxLength: 200,
  }),
  promoteFrom: field("The one environment that it is promoted from.", ["staging"], text("name")),
  target,
  approvals: field("How many people other than the author must approve a snapshot; 0 by default.", [1], {
    type: "integer",
    minimum: 0,
    maximum: 20,
  }),
  freeze: field(
    "Times at which no snapshot is applied.",
    [[{ cron: "0 17 * * FRI", duration: "63h", timezone: "Europe/Berlin" }]],
    list(field("One such time, again and again.", [{ cron: "0 17 * * FRI", duration: "63h" }], freeze), {
      maxItems: 50,
    }),
  ),
  keepRevisions: field("How many earlier revisions are kept for an instant return; 5 by default.", [5], {
    type: "integer",
    minimum: 0,
    maximum: 100,
  }),
});

/** schemas/repository.schema.json: waybill.yaml. */
export const repositorySchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://waybill.example/schemas/repository.schema.json",
  title: "The settings of a repository: waybill.yaml",
  ...object(
    {
      apiVersion: field("The version of this format.", ["waybill/v1"], { const: "waybill/v1" }),
      environments: field(
        "The repository's environments, by name. Without them the default branch is `production`.",
        [{ production: { branch: "main", approvals: 1 }, staging: { branch: "main" } }],
        {
          ...map(field("One environment.", [{ branch: "main" }], environment), text("name")),
          minProperties: 1,
          maxProperties: 100,
        },
      ),
      previews: field(
        "Environments that come and go with pull requests, called pr-NUMBER.",
        [{ pullRequests: true, expireAfter: "72h", forks: "plan" }],
        object({
          pullRequests: field("Whether pull requests get one; false by default.", [true], { type: "boolean" }),
          expireAfter: field("How long one lives after the last push; 72h by default.", ["72h"], text("duration")),
          forks: field(
            "What a pull request from a fork gets: its `plan` alone (the default), or a deployment once somebody approves.",
            ["plan"],
            { enum: ["plan", "deploy-after-approval"] },
          ),
          target,
        }),
      ),
    },
    ["apiVersion"],
  ),
} as const satisfies Schema;
