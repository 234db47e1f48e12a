import type { CommitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { Definition } from "../define/definition.ts";
import type { Definitions, Objects } from "../define/definitions.ts";
import type { Driver } from "../apply/drive.ts";
import { fold, type Folded } from "./fold.ts";
import type { Snapshot } from "./snapshot.ts";
import type { EnvironmentRef } from "../release.ts";
import { isSettled, type DeploymentProgress, type DesiredRow, type ReleaseStore } from "../store.ts";
import { takenHosts, takenMessage, type TakenHost } from "../define/hosts.ts";
import { desiredOf, type Surroundings } from "../define/workloads.ts";
import { removalDigest } from "../define/definition.ts";
import { formatProblem, type Problem } from "../../spec/problem.ts";

/** Current versions of the secrets in an environment's reach, by name. */
export interface SecretVersions {
  versions(scope: EnvironmentRef): Promise<ReadonlyMap<string, number>>;
}

export interface Settler {
  /** Makes the rows say what the environment's tags say, and wakes the driver where they differ. */
  settle(environment: SettleRequest, snapshots: readonly Snapshot[], ahead?: Ahead): Promise<Settled>;
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
  readonly rows: readonly DeploymentProgress[];
}

/** What was begun before the rows are settled. */
export interface Ahead {
  readonly facts?: Promise<Facts>;
  /** Stored before anything is applied. */
  readonly saved?: Promise<void> | undefined;
  /** Host names that were found to be free a moment ago. */
  readonly free?: ReadonlySet<string> | undefined;
}

export interface Settled {
  /** Stacks that are not yet as they should be. */
  readonly unsettled: readonly StackName[];
  /** Stacks whose content was tried before and failed, and is not tried again. */
  readonly failing: readonly StackName[];
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
    const [secretVersions, overrides, rows] = await Promise.all([
      secrets.versions(ref),
      store.overrides(ref),
      store.progress(ref),
    ]);
    return { secretVersions, overrides, rows };
  }

  const settle: Settler["settle"] = async (request, snapshots, { facts, saved, free } = {}) => {
    const { repository, environment } = request;
    const folded = fold(snapshots);
    if (!folded.base && folded.exceptions.size === 0) return { unsettled: [], failing: [], problem: null };
    const { definitions: target, problems } = await defined(request, folded);
    const [first] = problems;
    // A commit that cannot be understood changes nothing: what runs keeps running.
    if (first) {
      const problem = `${folded.base?.tag ?? ""} cannot be applied: ${formatProblem(first)}`;
      return { unsettled: [], failing: [], problem };
    }
    const known = await (facts ?? readFacts(request));
    const changed = await changedRows(store, { request, folded, target, known, free });
    const { rows } = known;
    const following = {
      snapshot: folded.base?.number ?? 0,
      commit: followed(folded, "").commit,
      exceptions: [...folded.exceptions.keys()],
    };
    const [written] = await Promise.all([store.desire(request, changed, following), saved]);
    const rowOf = new Map(written.map((row) => [row.stack.deployment, row]));
    const pending = new Map(changed.map((row) => [row.stack.deployment, row.desiredDigest]));
    for (const row of rows) {
      if (!pending.has(row.stack.deployment) && !isSettled(row)) pending.set(row.stack.deployment, row.desiredDigest);
    }
    const unsettled = [...pending.keys()].map((deployment) => ({ repository, environment, deployment }));
    for (const stack of unsettled) {
      driver.wake(stack, pending.get(stack.deployment) ?? "", rowOf.get(stack.deployment));
    }
    const failing = rows.filter(({ stack, state }) => state === "failed" && !pending.has(stack.deployment));
    return { unsettled, failing: failing.map(({ stack }) => stack), problem: null };
  };

  return { settle, readFacts, defined };
}

interface Comparison {
  readonly request: EnvironmentRef;
  readonly folded: Folded;
  readonly target: ReadonlyMap<string, Definition>;
  readonly known: Facts;
  readonly free: ReadonlySet<string> | undefined;
}

/** The rows that are to be written: of what is new, different, blocked or gone. */
async function changedRows(
  store: Pick<ReleaseStore, "holders">,
  { request, folded, target, known, free = new Set() }: Comparison,
): Promise<readonly DesiredRow[]> {
  const { repository, environment } = request;
  const rowOf = new Map(known.rows.map((row) => [row.stack.deployment, row]));
  const wanted = [...target.values()].map((definition) => {
    const stack = { repository, environment, deployment: definition.name };
    return { definition, row: desiredRow(stack, definition, folded, known) };
  });
  const news = wanted.filter(({ definition, row }) => isNews(rowOf.get(definition.name), row));
  const definitions = news.map(({ definition }) => definition);
  const taken = await takenHosts(store, { environment: request, definitions, free });
  const gone = known.rows.filter(({ stack }) => !target.has(stack.deployment));
  return [
    ...news.map(({ definition, row }) => withoutTaken(row, taken.get(definition.name) ?? [])),
    ...gone.map(({ stack }) => removal(stack, folded)),
  ];
}

// What is blocked is looked at again: what stood in its way may be gone.
const isNews = (known: DeploymentProgress | undefined, row: DesiredRow): boolean =>
  known?.desiredDigest !== row.desiredDigest || known.blocked !== null;

/** A host name stays with whoever had it first; the deployment that asks for it too waits. */
function withoutTaken(row: DesiredRow, taken: readonly TakenHost[]): DesiredRow {
  const [first] = taken;
  if (!first) return row;
  const names = new Set(taken.map(({ host }) => host));
  return { ...row, hosts: row.hosts.filter((host) => !names.has(host)), blocked: row.blocked ?? takenMessage(first) };
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
  return { stack, workload: null, desiredDigest: removalDigest, hosts: [], snapshot: number, commit, blocked: null };
}
