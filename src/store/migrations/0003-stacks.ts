import type { Migration } from "./all.ts";

// `state` is text, not jsonb: the format's resources stand in an order that means something, and it is only ever read
// and written as a whole.
export const stacks: Migration = {
  name: "0003-stacks",
  sql: `
    create table stacks (
      repository text not null,
      environment text not null,
      deployment text not null,
      serial bigint not null,
      state text not null,
      saved_at timestamptz not null default now(),
      primary key (repository, environment, deployment)
    );
  `,
};
