import type { Migration } from "./all.ts";

// What was due by a clock that was set back since stays first in its queue.
export const runClock: Migration = {
  name: "0023-run-clock",
  sql: `
    alter table schedule_marks add column passed_after timestamptz, add column passed_until timestamptz;

    drop index runs_waiting;
    create index runs_waiting on runs
      (repository, environment, job, (state <> 'AwaitingConcurrencySlot'), due_at, ordinal)
      where state in ('Scheduled', 'Late', 'AwaitingConcurrencySlot', 'Retrying');

    create index runs_ended on runs (repository, environment, job, ordinal)
      where state in ('Cancelled', 'Completed', 'Failed', 'TimedOut', 'Crashed');
  `,
};
