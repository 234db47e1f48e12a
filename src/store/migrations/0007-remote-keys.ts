import type { Migration } from "./all.ts";

export const remoteKeys: Migration = {
  name: "0007-remote-keys",
  sql: `
    create table remote_keys (
      repository text primary key references repositories (name) on delete cascade,
      credentials text,
      webhook_secret text not null
    );
  `,
};
