import { asWaybillError } from "../../core/errors.ts";
import type { Feed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { repositoryName, type CommitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { Git } from "../../git/git.ts";
import type { RefView } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import { formatProblem } from "../../spec/problem.ts";
import type { Definitions } from "../define/definitions.ts";
import { hostProblems } from "../define/hosts.ts";
import { fold } from "./fold.ts";
import { compareTags, decideHead, takesBack } from "./look.ts";
import { reasonToWait } from "../plan.ts";
import type { NewTag, Place, Recorder } from "./record.ts";
import type { EnvironmentRef, ReleaseEvent } from "../release.ts";
import { openHistories, openHistory, presentOf, type History } from "./history.ts";
import type { Settler } from "./settle.ts";
import { trailerNames } from "./snapshot.ts";
import type { EnvironmentRow, ReleaseStore, SnapshotRow } from "../store.ts";

/** What one look at a repository led to. */
export interface Outcome {
  readonly environments: readonly EnvironmentOutcome[];
  /** What stands in the way, in the user's words; nothing was changed because of it. */
  readonly troubles: readonly string[];
}

export interface EnvironmentOutcome {
  readonly environment: string;
  /** Snapshots that were new at this look, oldest first. */
  readonly snapshots: readonly SnapshotRow[];
  readonly waiting: EnvironmentRow["waiting"];
  /** Stacks that were not as they should be when the look ended. */
  readonly unsettled: readonly StackName[];
  /** Stacks whose content failed before and is not tried again. */
  readonly failing: readonly StackName[];
  readonly troubles: readonly string[];
}

export interface Watcher {
  /**
   * Reads the repository's refs and makes the desired state follow them. Looks at one repository come one after the
   * other; `actor` names who caused it, where that is known.
   */
  look(repository: string, actor?: string): Promise<Outcome>;
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
  readonly events: Feed<ReleaseEvent>;
  readonly log: Log;
  /** Ends calls to remote repositories when the server stops. */
  readonly signal: AbortSignal;
}

export function makeWatcher(parts: WatcherParts): Watcher {
  const { git, store, settler, recorder, events } = parts;
  const inTurn = makeTurns();

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
    look: (repository, actor) => inTurn(repository, () => lookNow(parts, { name: repository, actor })),
    tag: (ref, decide) =>
      inTurn(ref.repository, async () => {
        const place = await placeOf(ref);
        const row = await recorder.create(place, await decide(place));
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

/** Runs calls for one key one after the other. */
function makeTurns(): <Result>(key: string, act: () => Promise<Result>) => Promise<Result> {
  const last = new Map<string, Promise<unknown>>();
  return (key, act) => {
    const turn = (last.get(key) ?? Promise.resolve()).then(act);
    const settled = turn
      .catch(() => undefined)
      .then(() => {
        if (last.get(key) === settled) last.delete(key);
      });
    last.set(key, settled);
    return turn;
  };
}

interface LookRequest {
  readonly name: string;
  readonly actor: string | undefined;
}

async function lookNow(parts: WatcherParts, { name, actor }: LookRequest): Promise<Outcome> {
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
  const [known, refs, rows, historyOf] = await Promise.all([
    knownBefore,
    repo.refs(),
    store.environments(name),
    openHistories(store, name),
  ]);
  const saved = { name, url: repo.remoteUrl, defaultBranch: refs.head };
  if (!known) await store.saveRepository({ ...saved, problem: null });
  const recorded = new Map(rows.map((row) => [row.environment, row]));
  const branches = await branchesByEnvironment(parts, repo, refs);
  const names = new Set([...branches.keys(), ...recorded.keys(), ...refs.snapshots.map((tag) => tag.environment)]);
  const environments: EnvironmentOutcome[] = [];
  for (const environment of [...names].toSorted()) {
    const ref = { repository: name, environment };
    const branch = branches.get(environment) ?? null;
    const place = placeIn(ref, { repo, refs, branch, history: historyOf(environment) });
    const row = recorded.get(environment) ?? null;
    const outcome = await lookAtEnvironment(parts, { place, refs, row, actor });
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

const moved = (tag: string): string =>
  `${tag} was moved. A snapshot never moves: what it named first still counts. Give the commit a new number instead.`;

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
    const { unpushedTags } = await repo.fetch(signal);
    await repo.pushTags(unpushedTags, signal);
    return [];
  } catch (thrown) {
    const { message } = asWaybillError(thrown);
    log.warn({ repository: repo.name, err: thrown }, "snapshot tags could not be pushed back");
    return [`snapshot tags could not be pushed back: ${message}`];
  }
}

interface Look {
  readonly place: Place;
  readonly refs: RefView;
  readonly row: EnvironmentRow | null;
  readonly actor: string | undefined;
}

async function lookAtEnvironment(parts: WatcherParts, look: Look): Promise<EnvironmentOutcome> {
  const { store, settler } = parts;
  const { place, row } = look;
  const facts = settler.readFacts(place);
  // Should what follows fail first, this failure is nobody's news.
  facts.catch(() => undefined);
  const { snapshots, troubles } = await followTags(parts, look);
  const head = await followHead(parts, look);
  if (head.snapshot) snapshots.push(head.snapshot);
  const kept = head.waiting === undefined ? (row?.waiting ?? null) : head.waiting;
  const live = fold(place.history.present()).base;
  const waiting = kept && kept.commit === live?.commit ? null : kept;
  const saved = store.saveEnvironment({
    repository: place.repository,
    environment: place.environment,
    branch: place.branch,
    observedHead: head.observed ?? row?.observedHead ?? null,
    waiting,
  });
  const [{ unsettled, failing, problem }] = await Promise.all([
    settler.settle(place, place.history.present(), facts),
    saved,
  ]);
  return {
    environment: place.environment,
    snapshots,
    waiting,
    unsettled,
    failing,
    troubles: problem === null ? troubles : [...troubles, problem],
  };
}

/** Records tags that are new, and turns the deletion of the newest into a revert: a tag of its own. */
async function followTags(
  { recorder }: WatcherParts,
  { place, refs, actor }: Look,
): Promise<{ snapshots: SnapshotRow[]; troubles: string[] }> {
  const tags = refs.snapshots.filter(({ environment }) => environment === place.environment);
  const rows = place.history.all();
  const news = compareTags(tags, rows);
  const snapshots: SnapshotRow[] = [];
  for (const tag of news.added) snapshots.push(await recorder.record(place, tag, actor));
  const back = takesBack(rows, news.deleted);
  const isAllGone = news.deleted.length > 0 && news.deleted.length === presentOf(rows).length && tags.length === 0;
  const troubles = [
    ...news.moved.map(({ tag }) => moved(tag.tag)),
    ...news.reused.map(({ tag }) => `${tag} was used and deleted before: a number is never used again.`),
    ...(isAllGone ? [`every snapshot tag of ${place.environment} is gone from Git; nothing was changed.`] : []),
  ];
  if (isAllGone) return { snapshots, troubles };
  const takenBack = news.deleted.toSorted((a, b) => b.number - a.number)[0];
  for (const row of news.deleted) await place.history.save({ ...row, isDeleted: true });
  if (back && takenBack && news.added.length === 0) {
    const revert = await recorder.create(place, {
      commit: back.commit,
      actor: actor ?? "unknown",
      message: `Return to ${back.tag}`,
      trailers: { [trailerNames.reverts]: takenBack.tag, [trailerNames.reason]: `${takenBack.tag} was deleted` },
    });
    snapshots.push(revert);
  }
  return { snapshots, troubles };
}

interface HeadOutcome {
  /** Undefined: as before. */
  readonly waiting?: EnvironmentRow["waiting"];
  readonly observed: CommitSha | null;
  readonly snapshot: SnapshotRow | null;
}

async function followHead(parts: WatcherParts, { place, refs, row, actor }: Look): Promise<HeadOutcome> {
  // A vanished branch deletes nothing: it is as if it had not moved.
  const head = place.branch === null ? undefined : refs.branches.get(place.branch);
  if (!head) return { observed: null, snapshot: null };
  const folded = fold(place.history.present());
  const decision = decideHead({ head, row, live: folded.base, holdReason: folded.hold?.reason ?? null });
  switch (decision.type) {
    case "nothing":
      return { observed: head, snapshot: null };
    case "observe":
      return { observed: head, snapshot: null, waiting: null };
    case "wait":
      return { observed: head, snapshot: null, waiting: { commit: head, reason: decision.reason } };
    case "consider":
      return considerHead(parts, { place, head, actor });
    default:
      return decision satisfies never;
  }
}

interface Consideration {
  readonly place: Place;
  readonly head: CommitSha;
  readonly actor: string | undefined;
}

async function considerHead(parts: WatcherParts, { place, head, actor }: Consideration): Promise<HeadOutcome> {
  const { definitions, settler, recorder, store } = parts;
  const after = await definitions.at(place.objects, head, place.environment, place.defaultBranch);
  const problems = [...after.problems, ...(await hostProblems(store, place, after.definitions))];
  const [problem] = problems;
  if (problem) {
    const more = problems.length > 1 ? ` and ${problems.length - 1} more` : "";
    const reason = `its files have problems: ${formatProblem(problem)}${more}`;
    return { observed: head, snapshot: null, waiting: { commit: head, reason } };
  }
  const before = await settler.defined(place, fold(place.history.present()));
  if (before.definitions.size === 0 && after.definitions.size === 0) return { observed: head, snapshot: null };
  const reason = reasonToWait(before.definitions, after.definitions);
  if (reason !== null) return { observed: head, snapshot: null, waiting: { commit: head, reason } };
  const [commit] = await place.repo.commitInfo([head]);
  const snapshot = await recorder.create(place, {
    commit: head,
    actor: actor ?? commit?.author ?? "unknown",
    message: commit?.subject ?? "",
    trailers: {},
  });
  return { observed: head, snapshot, waiting: null };
}
