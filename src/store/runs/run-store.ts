import type { RunStore } from "../../runs/store.ts";
import type { Database } from "../database.ts";
import { acceptQueries, markQueries } from "./accept.ts";
import { endedQueries } from "./ended.ts";
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
  ...endedQueries(db),
});
