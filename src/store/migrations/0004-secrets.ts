import type { Migration } from "./all.ts";

// Versions count up per repository and name over all environments, so that a version names one value. Rows outlive
// their values: a version is never used again. `environment` is empty for a value of the whole repository.
export const secrets: Migration = {
  name: "0004-secrets",
  sql: `
    create table secrets (
      repository text not null,
      name text not null,
      version bigint not null,
      environment text not null,
      sealed text,
      is_removed boolean not null default false,
      set_by text not null,
      set_at timestamptz not null,
      primary key (repository, name, version)
    );
  `,
};
