import { deliveries } from "./0002-deliveries.ts";
import { stacks } from "./0003-stacks.ts";
import { access } from "./0005-access.ts";
import { routes } from "./0006-routes.ts";

/** A step of the database's shape: plain SQL, run once, in this order, never edited after a release. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [deliveries, stacks, access, routes];
