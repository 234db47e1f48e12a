import { sql, type Selectable } from "kysely";
import type { Run } from "../../runs/run.ts";
import type { RunChange, RunStore } from "../../runs/store.ts";
import type { RunState } from "../../runs/state.ts";
import type { Database } from "../database.ts";
import type { Precedence } from "./precedence.ts";
import { withRevisions, type RevisionBook } from "./revisions.ts";
import { refuseIllegal } from "./runs.ts";
import type { RunsTable } from "./tables.ts";

interface Step {
  readonly id: string;
  readonly from: RunState;
  readonly change: RunChange;
}

interface Waiting extends Step {
  readonly settle: (answer: Run | null) => void;
  readonly fail: (error: unknown) => void;
}

interface StepParts extends Pick<Precedence, "others"> {
  readonly revisions: Pick<RevisionBook, "named">;
}

const mostAtOnce = 1_000;

/**
 * Steps of many runs at once are one statement: what comes while one is under way waits for it, and goes together.
 * One at a time, so that no two of them lock the same runs in another order.
 */
export function stepQueries(db: Database, { others, revisions }: StepParts) {
  let waiting: Waiting[] = [];
  let isUnderWay = false;

  async function take(batch: readonly Waiting[]): Promise<void> {
    try {
      const taken = await write(db, revisions, batch);
      for (const { id, settle } of batch) settle(taken.get(id) ?? null);
    } catch (error) {
      const [only, ...others] = batch;
      if (others.length === 0) return only?.fail(error);
      // One that cannot be written must not take the others along.
      for (const one of batch) await take([one]);
    }
  }

  async function takeAll(): Promise<void> {
    isUnderWay = true;
    while (waiting.length > 0) {
      await others();
      const { batch, rest } = firstOfEach(waiting);
      waiting = [...rest];
      await take(batch);
    }
    isUnderWay = false;
  }

  return {
    async step(id, from, change) {
      refuseIllegal(id, from, change.status.state);
      return new Promise((settle, fail) => {
        waiting.push({ id, from, change, settle, fail });
        if (!isUnderWay) void takeAll();
      });
    },
  } satisfies Partial<RunStore>;
}

/** A run is changed once by a statement. */
function firstOfEach(waiting: readonly Waiting[]): {
  readonly batch: readonly Waiting[];
  readonly rest: readonly Waiting[];
} {
  const batch = new Map<string, Waiting>();
  const rest: Waiting[] = [];
  for (const one of waiting) {
    if (batch.size < mostAtOnce && !batch.has(one.id)) batch.set(one.id, one);
    else rest.push(one);
  }
  return { batch: [...batch.values()], rest };
}

async function write(
  db: Database,
  revisions: Pick<RevisionBook, "named">,
  steps: readonly Step[],
): Promise<ReadonlyMap<string, Run>> {
  const given = JSON.stringify(steps.map(rowOf));
  const { rows } = await sql<Selectable<RunsTable>>`
    update runs set
      state = given.state,
      history = runs.history || given.history,
      due_at = case when given.sets ? 'due_at' then (given.sets ->> 'due_at')::timestamptz else runs.due_at end,
      attempt = case when given.sets ? 'attempt' then (given.sets ->> 'attempt')::integer else runs.attempt end,
      retries = case when given.sets ? 'retries' then (given.sets ->> 'retries')::integer else runs.retries end,
      started_at = case when given.sets ? 'started_at' then (given.sets ->> 'started_at')::timestamptz
        else runs.started_at end,
      ended_at = case when given.sets ? 'ended_at' then (given.sets ->> 'ended_at')::timestamptz
        else runs.ended_at end,
      outcome = case when given.sets ? 'outcome' then nullif(given.sets -> 'outcome', 'null') else runs.outcome end,
      chain_due = case when given.sets ? 'chain_due' then (given.sets ->> 'chain_due')::boolean else runs.chain_due end,
      -- A person's retry: its next end is to be told, too.
      callback_settled = case when given.state = 'Scheduled' then null else runs.callback_settled end,
      callback_reason = case when given.state = 'Scheduled' then '' else runs.callback_reason end
    from jsonb_to_recordset(${given}::jsonb) as given (id text, "from" text, state text, history jsonb, sets jsonb)
    -- Given twice: what a function answers is taken for a hundred rows, and all runs are read for so many.
    where runs.id = given.id and runs.id = any(${steps.map(({ id }) => id)}) and runs.state = given."from"
    returning runs.*`.execute(db);
  return new Map((await withRevisions(db, revisions, rows)).map(({ run }) => [run.id, run]));
}

function rowOf({ id, from, change }: Step) {
  const { status, dueAt, attempt, retries, startedAt, endedAt, outcome, isChainDue } = change;
  const times = { due_at: dueAt, started_at: startedAt, ended_at: endedAt };
  const sets = { ...times, attempt, retries, outcome, chain_due: isChainDue };
  return { id, from, state: status.state, history: [status], sets };
}
