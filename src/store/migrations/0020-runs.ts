import type { Migration } from "./all.ts";

// A slot is no row: whoever is Pending, Running or Cancelling holds its slots, and nobody else can.
export const runs: Migration = {
  name: "0020-runs",
  sql: `
    create table run_revisions (
      digest text primary key,
      workload jsonb not null,
      snapshot integer,
      commit text not null
    );

    create table runs (
      id text primary key,
      ordinal bigint generated always as identity,
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      job text not null,
      name text not null,
      revision text not null references run_revisions (digest),
      schedule text,
      schedule_time timestamptz,
      asked_by text,
      rerun_of text,
      parameters jsonb not null,
      accepted_at timestamptz not null,
      due_at timestamptz not null,
      state text not null,
      history jsonb not null,
      attempt integer not null,
      retries integer not null default 0,
      started_at timestamptz,
      ended_at timestamptz,
      outcome jsonb,
      callback_url text,
      callback_settled text,
      callback_reason text not null default ''
    );
    create unique index runs_once on runs (repository, environment, job, schedule, schedule_time);
    create index runs_waiting on runs (repository, environment, job, due_at, ordinal)
      where state in ('Scheduled', 'Late', 'AwaitingConcurrencySlot', 'Retrying');
    create index runs_live on runs (ordinal) where state in ('Pending', 'Running', 'Cancelling');
    create index runs_of_job on runs (repository, environment, job, ordinal);
    create index runs_in_order on runs (ordinal);

    create table schedule_marks (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      job text not null,
      schedule text not null,
      digest text not null,
      until timestamptz not null,
      primary key (repository, environment, job, schedule)
    );

    create table schedule_pauses (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      job text not null,
      schedule text not null,
      pause jsonb not null,
      primary key (repository, environment, job, schedule)
    );

    select fence(array['run_revisions', 'runs', 'schedule_marks', 'schedule_pauses']);
  `,
};
