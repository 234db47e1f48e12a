import type { Change } from "../../src/release/plan.ts";
import type { DeploymentView, SnapshotView } from "../../src/release/views.ts";
import type { World } from "./fake-release.ts";

const commits = ["9f2c41d7", "41b8e05a", "c07d93ee", "5a66b21f", "e3f1009b"].map((start) => start.repeat(5));
const commit = (index: number): string => commits[index] ?? commits[0] ?? "";
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

const deployment = (name: string, rest: Partial<DeploymentView> = {}): DeploymentView => ({
  repository: "shop",
  environment: "production",
  name,
  kind: "service",
  state: "ready",
  reason: "",
  snapshot: "waybill/production/8",
  commit: commit(0),
  url: `http://${name}.localhost:8080`,
  description: "",
  tags: {},
  updatedAt: minutesAgo(12),
  pause: null,
  drift: [],
  deployJobs: [],
  ...rest,
});

const change = (name: string, rest: Partial<Change>): Change => ({
  name,
  kind: "service",
  action: "replace",
  fields: [],
  reasons: [],
  ...rest,
});

const snapshot = (number: number, subject: string, rest: Partial<SnapshotView> = {}): SnapshotView => ({
  tag: `waybill/production/${number}`,
  number,
  commit: commit(8 - number),
  branch: "main",
  subject,
  author: "Anna Berg",
  actor: "anna",
  at: minutesAgo(12 + (8 - number) * 190),
  reason: "push to main",
  reverts: null,
  only: null,
  active: number === 8,
  live: number === 8,
  deleted: false,
  held: false,
  changes: [],
  ...rest,
});

const inStaging = { environment: "staging", snapshot: "waybill/staging/31", commit: commit(1) } as const;

/** A small team's server: two environments, something of every state. */
export const sampleWorld = (): World => ({
  repositories: [{ name: "shop", url: null, defaultBranch: "main", problem: null }],
  environments: [
    {
      repository: "shop",
      environment: "production",
      branch: "main",
      snapshot: "waybill/production/8",
      hold: null,
      waiting: null,
      drift: [],
    },
    {
      repository: "shop",
      environment: "staging",
      branch: "main",
      snapshot: "waybill/staging/31",
      hold: { by: "jon", reason: "load test until noon", since: minutesAgo(95) },
      waiting: { commit: commit(0), reason: "the environment is on hold" },
      drift: [],
    },
  ],
  deployments: [
    deployment("web", { description: "The shop itself", tags: { team: "storefront" } }),
    deployment("ranker", {
      description: "Ranks products for the home page",
      state: "degraded",
      reason: "health check answers 500 (3 of the last 10)",
      tags: { team: "search" },
    }),
    deployment("mailer", {
      kind: "worker",
      url: null,
      state: "failed",
      reason: "crashed with status 1: KeyError: 'SMTP_HOST'",
    }),
    deployment("docs", {
      kind: "site",
      updatedAt: minutesAgo(3000),
      snapshot: "waybill/production/5",
      commit: commit(3),
    }),
    deployment("web", {
      ...inStaging,
      url: "http://staging--web.localhost:8080",
      state: "starting",
      reason: "waits for an answer on port 8000",
    }),
    deployment("ranker", {
      ...inStaging,
      url: "http://staging--ranker.localhost:8080",
      state: "paused",
      pause: { by: "jon", reason: "GPU is needed elsewhere", at: minutesAgo(40) },
    }),
  ],
  snapshots: {
    "shop/production": [
      snapshot(8, "Log what the ranker does", {
        changes: [
          change("ranker", {
            fields: [{ path: "env.LOG_LEVEL", from: "info", to: "debug" }],
            reasons: ["env.LOG_LEVEL changed"],
          }),
          change("web", { action: "unchanged" }),
        ],
      }),
      snapshot(7, "Show prices with tax", {
        changes: [
          change("web", { reasons: ["the source tree changed"] }),
          change("docs", {
            kind: "site",
            action: "update",
            fields: [{ path: "access.visibility", from: "signed-in", to: "public" }],
          }),
        ],
      }),
      snapshot(6, "Go back to yesterday's ranker", {
        reverts: "waybill/production/5",
        only: "ranker",
        reason: "latency doubled after the model change",
        actor: "jon",
        branch: null,
        changes: [change("ranker", {})],
      }),
      snapshot(5, "Add the mailer", {
        changes: [change("mailer", { kind: "worker", action: "create" }), change("ranker", {})],
      }),
      snapshot(4, "First deployment", {
        changes: [change("web", { action: "create" }), change("ranker", { action: "create" })],
      }),
    ],
    "shop/staging": [],
  },
});

export const emptyWorld = (): World => ({ repositories: [], environments: [], deployments: [], snapshots: {} });
