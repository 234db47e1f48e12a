import type { Migration } from "./all.ts";

// Who waits for room on a target, in the order in which they came.
export const rolloutLine: Migration = {
  name: "0024-rollout-line",
  sql: `
    create table rollout_line (
      target text not null,
      repository text not null,
      environment text not null,
      deployment text not null,
      since timestamptz not null,
      shapes jsonb not null,
      primary key (target, repository, environment, deployment)
    );

    select fence(array['rollout_line']);
  `,
};
