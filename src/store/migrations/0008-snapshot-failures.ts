import type { Migration } from "./all.ts";

export const snapshotFailures: Migration = {
  name: "0008-snapshot-failures",
  sql: `
    create table snapshot_failures (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      number integer not null,
      deployment text not null,
      primary key (repository, environment, number, deployment)
    );
  `,
};
