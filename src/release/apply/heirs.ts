import type { StackName } from "../../core/stack.ts";
import type { DeploymentRow, ReleaseStore } from "../store.ts";

type Rows = Pick<ReleaseStore, "deployments">;

/** Of a deployment that is to be removed: those of its environment that want its host names (it was renamed, say). */
async function heirsOf(store: Rows, row: DeploymentRow): Promise<readonly DeploymentRow[]> {
  if (row.workload !== null || row.hosts.length === 0) return [];
  const { repository, environment } = row.stack;
  const rows = await store.deployments({ repository, environment });
  return rows.filter(({ workload, hosts }) => workload !== null && hosts.some((host) => row.hosts.includes(host)));
}

/** An heir that has not come to serve the host names yet; while there is one, what it inherits from goes on. */
export async function missingHeir(store: Rows, row: DeploymentRow): Promise<DeploymentRow | null> {
  const heirs = await heirsOf(store, row);
  return heirs.find(({ appliedDigest, desiredDigest }) => appliedDigest !== desiredDigest) ?? null;
}

export interface Wait {
  /** Resolves when nothing is left to do for a stack at this moment. */
  readonly settled: (stack: StackName) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Whoever takes over a host name of a removed deployment comes first: the name answers all the while. */
export async function heirsSettled(store: Rows, row: DeploymentRow, { settled, signal }: Wait): Promise<void> {
  const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  // What cannot be read is found out by the pass that follows.
  const heirs = await heirsOf(store, row).catch(() => []);
  if (!signal.aborted) await Promise.race([Promise.all(heirs.map((heir) => settled(heir.stack))), aborted]);
}
