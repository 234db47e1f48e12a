import type { Migration } from "./all.ts";

export const chains: Migration = {
  name: "0022-chains",
  sql: `
    -- What started a run, if neither a schedule nor a person did. One thing starts one run of a job.
    alter table runs
      add column cause text,
      add column cause_name text,
      add column cause_key text,
      -- It ended, and who follows it was not looked at since.
      add column chain_due boolean not null default false,
      add column chain_note text not null default '';
    create unique index runs_caused_once on runs (repository, environment, job, cause, cause_name, cause_key)
      where cause is not null;
    create index runs_chain_due on runs (ordinal) where chain_due;
    create index runs_after on runs (cause_key) where cause = 'after';

    create table event_secrets (
      ordinal bigint generated always as identity primary key,
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      event text not null,
      secret text not null,
      made_by text not null,
      made_at timestamptz not null
    );
    create index event_secrets_of on event_secrets (repository, environment, event, ordinal);

    create table event_deliveries (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      event text not null,
      id text not null,
      received_at timestamptz not null,
      body bytea not null,
      settled_at timestamptz,
      outcome jsonb,
      primary key (repository, environment, event, id)
    );
    create index event_deliveries_pending on event_deliveries (received_at) where settled_at is null;
    create index event_deliveries_settled on event_deliveries (settled_at) where settled_at is not null;

    -- The newest run of each job around a deployment's switches.
    create table deploy_steps (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      deployment text not null,
      phase text not null,
      snapshot integer not null,
      digest text not null,
      job text not null,
      run text not null,
      state text not null,
      reason text not null,
      primary key (repository, environment, deployment, phase)
    );

    select fence(array['event_secrets', 'event_deliveries', 'deploy_steps']);
  `,
};
