import type { CommitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { Definition } from "../define/definition.ts";
import type { Definitions, Objects } from "../define/definitions.ts";
import type { Driver } from "../apply/drive.ts";
import { fold, type Folded } from "./fold.ts";
import type { Snapshot } from "./snapshot.ts";
import type { EnvironmentRef } from "../release.ts";
import { isSettled, type DeploymentRow, type DesiredRow, type ReleaseStore } from "../store.ts";
import { desiredOf, type Surroundings } from "../define/workloads.ts";
import { digestOf } from "../define/definition.ts";
import { formatProblem, type Problem } from "../../spec/problem.ts";

/** Current versions of the secrets in an environment's reach, by name. */
export interface SecretVersions {
  versions(scope: EnvironmentRef): Promise<ReadonlyMap<string, number>>;
}

export interface Settler {
  /** Makes the rows say what the environment's tags say, and wakes the driver where they differ. */
  settle(environment: SettleRequest, snapshots: readonly Snapshot[], facts?: Promise<Facts>): Promise<Settled>;
  /** What settling needs to know besides the tags: may be asked for ahead, while Git is still at work. */
  readFacts(environment: EnvironmentRef): Promise<Facts>;
  /** What the tags define, by deployment; problems when a commit among them cannot be applied. */
  defined(request: SettleRequest, folded: Folded): Promise<DefinedEnvironment>;
}

export interface SettleRequest extends EnvironmentRef {
  readonly objects: Objects;
  readonly defaultBranch: string;
}

export interface Facts extends Surroundings {
  readonly rows: readonly DeploymentRow[];
}

export interface Settled {
  /** Stacks that are not yet as they should be. */
  readonly unsettled: readonly StackName[];
  readonly problem: string | null;
}

export interface DefinedEnvironment {
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly problems: readonly Problem[];
}

interface SettlerParts {
  readonly store: ReleaseStore;
  readonly definitions: Definitions;
  readonly secrets: SecretVersions;
  readonly driver: Pick<Driver, "wake">;
}

export function makeSettler({ store, definitions, secrets, driver }: SettlerParts): Settler {
  async function defined(request: SettleRequest, folded: Folded): Promise<DefinedEnvironment> {
    const { objects, environment, defaultBranch } = request;
    const at = (commit: CommitSha) => definitions.at(objects, commit, environment, defaultBranch);
    const base = folded.base ? await at(folded.base.commit) : { definitions: new Map(), problems: [] };
    const all = new Map<string, Definition>(base.definitions);
    const problems = [...base.problems];
    for (const [name, { commit }] of folded.exceptions) {
      const exception = await at(commit);
      problems.push(...exception.problems);
      const definition = exception.definitions.get(name);
      if (definition) all.set(name, definition);
      else all.delete(name);
    }
    return { definitions: all, problems };
  }

  async function readFacts(ref: EnvironmentRef): Promise<Facts> {
    const { repository, environment } = ref;
    const [secretVersions, overrides, rows] = await Promise.all([
      secrets.versions(ref),
      store.overrides(ref),
      store.deployments({ repository, environment }),
    ]);
    return { secretVersions, overrides, rows };
  }

  const settle: Settler["settle"] = async (request, snapshots, facts) => {
    const { repository, environment } = request;
    const folded = fold(snapshots);
    if (!folded.base && folded.exceptions.size === 0) return { unsettled: [], problem: null };
    const { definitions: target, problems } = await defined(request, folded);
    const [first] = problems;
    // A commit that cannot be understood changes nothing: what runs keeps running.
    if (first)
      return { unsettled: [], problem: `${folded.base?.tag ?? ""} cannot be applied: ${formatProblem(first)}` };
    const { secretVersions, overrides, rows } = await (facts ?? readFacts(request));
    const known = new Map(rows.map((row) => [row.stack.deployment, row]));
    const changed: DesiredRow[] = [];
    for (const [deployment, definition] of target) {
      const row = desiredRow({ repository, environment, deployment }, definition, folded, {
        secretVersions,
        overrides,
      });
      if (known.get(deployment)?.desiredDigest !== row.desiredDigest) changed.push(row);
    }
    for (const row of rows) if (!target.has(row.stack.deployment)) changed.push(removal(row.stack, folded));
    await store.desire(request, changed, {
      snapshot: folded.base?.number ?? 0,
      commit: followed(folded, "").commit,
      exceptions: [...folded.exceptions.keys()],
    });
    const pending = new Map(changed.map((row) => [row.stack.deployment, row.desiredDigest]));
    for (const row of rows) {
      if (!pending.has(row.stack.deployment) && !isSettled(row)) pending.set(row.stack.deployment, row.desiredDigest);
    }
    const unsettled = [...pending.keys()].map((deployment) => ({ repository, environment, deployment }));
    for (const stack of unsettled) driver.wake(stack, pending.get(stack.deployment) ?? "");
    return { unsettled, problem: null };
  };

  return { settle, readFacts, defined };
}

function followed(folded: Folded, deployment: string): { number: number; commit: CommitSha } {
  const snapshot = folded.exceptions.get(deployment) ?? folded.base ?? folded.exceptions.values().next().value;
  if (!snapshot) throw new TypeError("an environment without snapshots follows nothing");
  return snapshot;
}

function desiredRow(stack: StackName, definition: Definition, folded: Folded, surroundings: Surroundings): DesiredRow {
  const { number, commit } = followed(folded, stack.deployment);
  return { ...desiredOf(stack, definition, surroundings), snapshot: number, commit };
}

function removal(stack: StackName, folded: Folded): DesiredRow {
  const { number, commit } = followed(folded, stack.deployment);
  return { stack, workload: null, desiredDigest: digestOf(null), hosts: [], snapshot: number, commit, blocked: null };
}
