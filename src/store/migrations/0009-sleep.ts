import type { Migration } from "./all.ts";

// Entrances write what was used and who waits, servers decide: whichever is there, by one clock, the database's.
export const sleep: Migration = {
  name: "0009-sleep",
  sql: `
    alter table routes add column idle jsonb, add column sleep jsonb;

    create table activity (
      repository text not null,
      environment text not null,
      deployment text not null,
      used_at timestamptz not null default now(),
      wake_asked_at timestamptz,
      primary key (repository, environment, deployment)
    );

    create function notify_sleep() returns trigger language plpgsql as $$
    begin
      perform pg_notify('waybill_sleep', '');
      return null;
    end
    $$;

    create trigger wake_asked after insert or update of wake_asked_at on activity
      for each row when (new.wake_asked_at is not null) execute function notify_sleep();
  `,
};
