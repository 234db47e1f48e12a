import type { Announce } from "../apply/announce.ts";
import { asWaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { repositoryName } from "../../core/names.ts";
import { makeTurns } from "../../core/waiting/turns.ts";
import type { StackName } from "../../core/stack.ts";
import type { Git } from "../../git/git.ts";
import type { RefView } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import type { Definitions } from "../define/definitions.ts";
import { lookAtEnvironment, moved, type EnvironmentOutcome } from "./environment.ts";
import type { NewTag, Place, Recorder } from "./record.ts";
import type { EnvironmentRef, ReleaseEvent } from "../release.ts";
import { openHistories, openHistory, type History } from "./history.ts";
import type { Facts, Settler } from "./settle.ts";
import type { EnvironmentRow, ReleaseStore, SnapshotRow } from "../store.ts";

/** What one look at a repository led to. */
export interface Outcome {
  readonly environments: readonly EnvironmentOutcome[];
  /** What stands in the way, in the user's words; nothing was changed because of it. */
  readonly troubles: readonly string[];
}

/** What is known of the reason to look. */
export interface Cause {
  readonly actor?: string | undefined;
  /** The refs as they were then. Read again when another look or act may have seen newer ones since. */
  readonly refs?: RefView | undefined;
}

export interface Watcher {
  /**
   * Reads the repository's refs and makes the desired state follow them. Looks at one repository come one after the
   * other.
   */
  look(repository: string, cause?: Cause): Promise<Outcome>;
  /** Names a commit of the environment by the next snapshot tag and makes that desired. `decide` runs in turn. */
  tag(environment: EnvironmentRef, decide: (place: Place) => Promise<NewTag>): Promise<SnapshotRow>;
  /** Makes the rows follow the tags again, after something outside Git changed. */
  settle(environment: EnvironmentRef): Promise<readonly StackName[]>;
}

interface WatcherParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly definitions: Definitions;
  readonly settler: Settler;
  readonly recorder: Recorder;
  readonly announce: Announce;
  readonly events: Feed<ReleaseEvent>;
  readonly log: Log;
  /** Ends calls to remote repositories when the server stops. */
  readonly signal: AbortSignal;
}

export function makeWatcher(parts: WatcherParts): Watcher {
  const { git, store, settler, recorder, events } = parts;
  const inTurn = makeDatedTurns();

  const rowOf = async (ref: EnvironmentRef): Promise<EnvironmentRow | undefined> =>
    (await store.environments(ref.repository)).find(({ environment }) => environment === ref.environment);

  async function placeOf(ref: EnvironmentRef): Promise<Place> {
    const repo = await git.open(repositoryName(ref.repository));
    const [refs, row, history] = await Promise.all([repo.refs(), rowOf(ref), openHistory(store, ref)]);
    return placeIn(ref, { repo, refs, branch: row?.branch ?? null, history });
  }

  /** A person's tag on the waiting commit is what it waited for. */
  async function endWait(ref: EnvironmentRef, { commit }: SnapshotRow): Promise<void> {
    const row = await rowOf(ref);
    if (row?.waiting?.commit === commit) await store.saveEnvironment({ ...row, waiting: null });
  }

  const publish = ({ repository, environment }: EnvironmentRef): void =>
    events.publish({ type: "environment", repository, environment, deployment: null });

  return {
    look: (repository, { actor, refs } = {}) =>
      inTurn(repository, (lastEnd) => {
        const known = refs && refs.asOf > lastEnd ? refs : null;
        return lookNow(parts, { name: repository, actor, known });
      }),
    tag: (ref, decide) =>
      inTurn(ref.repository, async () => {
        const place = await placeOf(ref);
        const { row, saved } = await recorder.create(place, await decide(place));
        await saved;
        await endWait(ref, row);
        await settler.settle(place, place.history.present());
        await pushBack(parts, place.repo);
        publish(ref);
        return row;
      }),
    settle: (ref) =>
      inTurn(ref.repository, async () => {
        const place = await placeOf(ref);
        const { unsettled } = await settler.settle(place, place.history.present());
        publish(ref);
        return unsettled;
      }),
  };
}

/** One after the other for each repository, told when the one before has ended (monotonic; -1 before the first). */
function makeDatedTurns() {
  const inTurn = makeTurns();
  const ends = new Map<string, number>();
  return <Result>(repository: string, act: (lastEnd: number) => Promise<Result>): Promise<Result> =>
    inTurn(repository, () =>
      act(ends.get(repository) ?? -1).finally(() => {
        ends.set(repository, performance.now());
      }),
    );
}

interface LookRequest {
  readonly name: string;
  readonly actor: string | undefined;
  /** Null: they are to be read. */
  readonly known: RefView | null;
}

async function lookNow(parts: WatcherParts, { name, actor, known: knownRefs }: LookRequest): Promise<Outcome> {
  const { git, store, events, log } = parts;
  const repo = await git.open(repositoryName(name));
  const troubles: string[] = [];
  const knownBefore = store.repositories().then((all) => all.find((repository) => repository.name === name));
  try {
    const { movedTags } = repo.remoteUrl !== null ? await repo.fetch(parts.signal) : { movedTags: [] };
    troubles.push(...movedTags.map(moved));
  } catch (thrown) {
    // What cannot be read deletes nothing and deploys nothing.
    const problem = asWaybillError(thrown).message;
    const known = await knownBefore;
    if (known) await store.saveRepository({ ...known, problem });
    throw thrown;
  }
  // After a push it is known before anything is read which environments there are: what they need is asked for at once.
  const knownBranches = knownRefs && (await branchesByEnvironment(parts, repo, knownRefs));
  const ahead = knownBranches && factsAhead(parts, name, [...knownBranches.keys()]);
  const [known, refs, rows, historyOf] = await Promise.all([
    knownBefore,
    knownRefs ?? repo.refs(),
    store.environments(name),
    openHistories(store, name),
  ]);
  const saved = { name, url: repo.remoteUrl, defaultBranch: refs.head };
  if (!known) await store.saveRepository({ ...saved, problem: null });
  const recorded = new Map(rows.map((row) => [row.environment, row]));
  const branches = knownBranches ?? (await branchesByEnvironment(parts, repo, refs));
  const names = new Set([...branches.keys(), ...recorded.keys(), ...refs.snapshots.map((tag) => tag.environment)]);
  const environments: EnvironmentOutcome[] = [];
  for (const environment of [...names].toSorted()) {
    const ref = { repository: name, environment };
    const branch = branches.get(environment) ?? null;
    const place = placeIn(ref, { repo, refs, branch, history: historyOf(environment) });
    const row = recorded.get(environment) ?? null;
    const facts = ahead?.get(environment);
    const outcome = await lookAtEnvironment(parts, { place, refs, row, actor, facts });
    environments.push(outcome);
    troubles.push(...outcome.troubles);
    events.publish({ type: "environment", repository: name, environment, deployment: null });
  }
  troubles.push(...(await pushBack(parts, repo)));
  if (troubles.length > 0) log.warn({ repository: name, troubles }, "a repository holds what cannot be followed");
  const problem = troubles.length > 0 ? troubles.join("\n") : null;
  if (problem !== (known?.problem ?? null) || known?.defaultBranch !== refs.head) {
    await store.saveRepository({ ...saved, problem });
  }
  return { environments, troubles };
}

// A push changes one environment, as a rule.
const maxReadAhead = 3;

function factsAhead(
  { settler }: WatcherParts,
  repository: string,
  environments: readonly string[],
): ReadonlyMap<string, Promise<Facts>> {
  return new Map(
    environments
      .toSorted()
      .slice(0, maxReadAhead)
      .map((environment) => {
        const facts = settler.readFacts({ repository, environment });
        // Whoever needs it sees the failure.
        facts.catch(() => undefined);
        return [environment, facts];
      }),
  );
}

interface PlaceParts {
  readonly repo: Repository;
  readonly refs: RefView;
  readonly branch: string | null;
  readonly history: History;
}

const placeIn = (ref: EnvironmentRef, { repo, refs, branch, history }: PlaceParts): Place => ({
  ...ref,
  repo,
  objects: repo,
  defaultBranch: refs.head,
  branch,
  history,
});

/** The default branch's waybill.yaml says which environment follows which branch; one with problems changes nothing. */
async function branchesByEnvironment(
  { definitions }: WatcherParts,
  repo: Repository,
  refs: RefView,
): Promise<ReadonlyMap<string, string | null>> {
  const head = refs.branches.get(refs.head);
  if (!head) return new Map();
  const { settings } = await definitions.check(repo, head, refs.head);
  return new Map(Object.entries(settings.environments).map(([name, { branch }]) => [name, branch ?? null]));
}

/** Gives a repository hosted elsewhere the tags that were made here. Answers what stood in the way. */
async function pushBack({ log, signal }: WatcherParts, repo: Repository): Promise<readonly string[]> {
  if (repo.remoteUrl === null) return [];
  try {
    // No fetch: what the remote has new would count as seen, and no look would follow it.
    await repo.pushTags(await repo.unpushedTags(), signal);
    return [];
  } catch (thrown) {
    const { message } = asWaybillError(thrown);
    log.warn({ repository: repo.name, err: thrown }, "snapshot tags could not be pushed back");
    return [`snapshot tags could not be pushed back: ${message}`];
  }
}
