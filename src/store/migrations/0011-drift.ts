import type { Migration } from "./all.ts";

// What others changed of what was applied: to one deployment, or to what an environment's deployments share.
export const drift: Migration = {
  name: "0011-drift",
  sql: `
    create table drift (
      repository text not null,
      environment text not null,
      stack text not null,
      deployment text,
      found jsonb not null,
      seen_at timestamptz not null default now(),
      primary key (repository, environment, stack)
    );
  `,
};
