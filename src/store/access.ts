import type { AccessStore } from "../access/account.ts";
import { tokenQueries, userQueries } from "./access/accounts.ts";
import { linkQueries, sessionQueries } from "./access/sign-ins.ts";
import type { Database } from "./database.ts";

export function makeAccessStore(db: Database): AccessStore {
  return { ...userQueries(db), ...tokenQueries(db), ...sessionQueries(db), ...linkQueries(db) };
}
