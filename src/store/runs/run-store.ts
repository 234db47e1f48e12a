import type { RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { acceptQueries, markQueries } from "./accept.ts";
import { chainQueries } from "./chains.ts";
import { deployStepQueries } from "./deploy-steps.ts";
import { delayQueries } from "./delays.ts";
import { endedQueries } from "./ended.ts";
import { jobQueries } from "./jobs.ts";
import { makePrecedence } from "./precedence.ts";
import { preparedQueries } from "./prepared.ts";
import { queueQueries } from "./queues.ts";
import { makeRevisionBook } from "./revisions.ts";
import { callbackQueries, runQueries } from "./runs.ts";
import { stepQueries } from "./steps.ts";

export function makeRunStore(db: Database): RunStore {
  const precedence = makePrecedence();
  const parts = { ...precedence, revisions: makeRevisionBook() };
  return {
    ...jobQueries(db),
    ...acceptQueries(db, parts),
    ...preparedQueries(db, parts),
    ...markQueries(db),
    ...runQueries(db),
    ...stepQueries(db, parts),
    ...callbackQueries(db),
    ...queueQueries(db, parts),
    ...delayQueries(db),
    ...endedQueries(db),
    ...chainQueries(db),
    ...deployStepQueries(db),
  };
}
