import { release } from "./0001-release.ts";
import { deliveries } from "./0002-deliveries.ts";
import { stacks } from "./0003-stacks.ts";
import { secrets } from "./0004-secrets.ts";
import { access } from "./0005-access.ts";
import { routes } from "./0006-routes.ts";
import { remoteKeys } from "./0007-remote-keys.ts";
import { snapshotFailures } from "./0008-snapshot-failures.ts";
import { sleep } from "./0009-sleep.ts";
import { appliedWorkload } from "./0010-applied-workload.ts";
import { drift } from "./0011-drift.ts";
import { replicas } from "./0012-replicas.ts";
import { parkedRoutes } from "./0014-parked-routes.ts";
import { runs } from "./0020-runs.ts";
import { chains } from "./0022-chains.ts";
import { runClock } from "./0023-run-clock.ts";
import { rolloutLine } from "./0024-rollout-line.ts";
import { preparedRuns } from "./0025-prepared-runs.ts";
import { snapshotKeeps } from "./0026-snapshot-keeps.ts";

/** A step of the database's shape: plain SQL, run once, in this order, never edited after a release. */
export interface Migration {
  readonly name: string;
  readonly sql: string;
}

export const migrations: readonly Migration[] = [
  release,
  deliveries,
  stacks,
  secrets,
  access,
  routes,
  remoteKeys,
  snapshotFailures,
  sleep,
  appliedWorkload,
  drift,
  replicas,
  parkedRoutes,
  runs,
  chains,
  runClock,
  rolloutLine,
  preparedRuns,
  snapshotKeeps,
];
