import type { RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { acceptQueries, markQueries } from "./accept.ts";
import { chainQueries } from "./chains.ts";
import { deployStepQueries } from "./deploy-steps.ts";
import { jobQueries } from "./jobs.ts";
import { queueQueries } from "./queues.ts";
import { callbackQueries, runQueries } from "./runs.ts";

export const makeRunStore = (db: Database): RunStore => ({
  ...jobQueries(db),
  ...acceptQueries(db),
  ...markQueries(db),
  ...runQueries(db),
  ...callbackQueries(db),
  ...queueQueries(db),
  ...chainQueries(db),
  ...deployStepQueries(db),
});
