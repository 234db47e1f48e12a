import type { Migration } from "./all.ts";

export const release: Migration = {
  name: "0001-release",
  sql: `
    create table repositories (
      name text primary key,
      url text,
      default_branch text not null,
      problem text,
      created_at timestamptz not null default now()
    );
    create table environments (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      branch text,
      observed_head text,
      waiting_commit text,
      waiting_reason text,
      primary key (repository, environment)
    );
    create table snapshots (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      number integer not null,
      tag text not null,
      sha text not null,
      commit text not null,
      at timestamptz not null,
      actor text not null,
      reason text not null,
      reverts text,
      "only" text,
      kind text not null,
      branch text,
      subject text not null,
      author text not null,
      changes jsonb not null,
      is_deleted boolean not null default false,
      primary key (repository, environment, number)
    );
    create table deployments (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      name text not null,
      kind text not null,
      workload jsonb,
      desired_digest text not null,
      applied_digest text,
      failed_digest text,
      hosts text[] not null,
      snapshot integer not null,
      commit text not null,
      blocked text,
      state text not null,
      reason text not null,
      url text,
      updated_at timestamptz not null default now(),
      primary key (repository, environment, name)
    );
    create index deployments_hosts on deployments using gin (hosts);
    create table overrides (
      repository text not null references repositories (name) on delete cascade,
      environment text not null,
      name text not null,
      pause jsonb,
      restart text,
      primary key (repository, environment, name)
    );
  `,
};
