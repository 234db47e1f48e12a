import type { CommitSha } from "../../core/names.ts";
import type { StackName } from "../../core/stack.ts";
import type { RefView } from "../../git/refs.ts";
import type { Announce } from "../apply/announce.ts";
import { changedDefinitions } from "../define/definition.ts";
import { formatProblem } from "../../spec/problem.ts";
import type { Definitions } from "../define/definitions.ts";
import { askedHosts, hostProblems } from "../define/hosts.ts";
import { reasonToWait } from "../plan.ts";
import type { EnvironmentRow, ReleaseStore, SnapshotRow } from "../store.ts";
import { keptTrailer, passedOverWords } from "./back.ts";
import { fold } from "./fold.ts";
import { presentOf } from "./history.ts";
import { compareTags, decideHead, takesBack } from "./look.ts";
import type { Place, Recorder } from "./record.ts";
import type { Facts, Settler } from "./settle.ts";
import { trailerNames } from "./snapshot.ts";

export interface EnvironmentOutcome {
  readonly environment: string;
  readonly branch: string | null;
  /** Snapshots that were new at this look, oldest first. */
  readonly snapshots: readonly SnapshotRow[];
  readonly waiting: EnvironmentRow["waiting"];
  /** Stacks that were not as they should be when the look ended. */
  readonly unsettled: readonly StackName[];
  /** Stacks whose content failed before and is not tried again. */
  readonly failing: readonly StackName[];
  readonly troubles: readonly string[];
}

interface LookParts {
  readonly store: ReleaseStore;
  readonly definitions: Definitions;
  readonly settler: Settler;
  readonly recorder: Recorder;
  readonly announce: Announce;
}

export interface Look {
  readonly place: Place;
  readonly refs: RefView;
  readonly row: EnvironmentRow | null;
  readonly actor: string | undefined;
  /** Where they were asked for already. */
  readonly facts?: Promise<Facts> | undefined;
}

/** Makes one environment follow its tags and its branch, and says what came of it. */
export async function lookAtEnvironment(parts: LookParts, look: Look): Promise<EnvironmentOutcome> {
  const { store, settler } = parts;
  const { place, row } = look;
  const facts = look.facts ?? settler.readFacts(place);
  // Should what follows fail first, this failure is nobody's news.
  facts.catch(() => undefined);
  const { snapshots, troubles } = await followTags(parts, look);
  const head = await followHead(parts, look, facts);
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
    settler.settle(place, place.history.present(), { facts, saved: head.saved, free: head.free }),
    saved,
  ]);
  return {
    environment: place.environment,
    branch: place.branch,
    snapshots,
    waiting,
    unsettled,
    failing,
    troubles: problem === null ? troubles : [...troubles, problem],
  };
}

/** Records tags that are new, and turns the deletion of the newest into a revert: a tag of its own. */
async function followTags(
  { recorder, store }: LookParts,
  { place, refs, actor }: Look,
): Promise<{ snapshots: SnapshotRow[]; troubles: string[] }> {
  const tags = refs.snapshots.filter(({ environment }) => environment === place.environment);
  const rows = place.history.all();
  const news = compareTags(tags, rows);
  const snapshots: SnapshotRow[] = [];
  for (const tag of news.added) snapshots.push(await recorder.record(place, tag, actor));
  const back = takesBack(rows, news.deleted, news.deleted.length > 0 ? await store.failures(place) : new Map());
  const isAllGone = news.deleted.length > 0 && news.deleted.length === presentOf(rows).length && tags.length === 0;
  const troubles = [
    ...news.moved.map(({ tag }) => moved(tag.tag)),
    ...news.reused.map(({ tag }) => `${tag} was used and deleted before: a number is never used again.`),
    ...(isAllGone ? [`every snapshot tag of ${place.environment} is gone from Git; nothing was changed.`] : []),
  ];
  if (isAllGone) return { snapshots, troubles };
  const takenBack = news.deleted.toSorted((a, b) => b.number - a.number)[0];
  const isAnswered = news.added.length > 0 || rows.some(({ reverts }) => reverts === takenBack?.tag);
  if (back && takenBack && !isAnswered) {
    const revert = await recorder.create(place, {
      commit: back.to.snapshot.commit,
      actor: actor ?? "unknown",
      message: `Return to ${back.to.snapshot.tag}`,
      trailers: {
        [trailerNames.reverts]: takenBack.tag,
        ...keptTrailer(back.to),
        [trailerNames.reason]: [
          `${takenBack.tag} was deleted`,
          ...back.passedOver.map((one) => `passed over ${passedOverWords(one)}`),
        ].join("; "),
      },
    });
    await revert.saved;
    snapshots.push(revert.row);
  }
  // Only now: a kill before leads here again, and finds the revert or makes it.
  for (const row of news.deleted) await place.history.save({ ...row, isDeleted: true });
  return { snapshots, troubles };
}

interface HeadOutcome {
  /** Undefined: as before. */
  readonly waiting?: EnvironmentRow["waiting"];
  readonly observed: CommitSha | null;
  readonly snapshot: SnapshotRow | null;
  readonly saved?: Promise<void>;
  readonly free?: ReadonlySet<string>;
}

async function followHead(
  parts: LookParts,
  { place, refs, row, actor }: Look,
  facts: Promise<Facts>,
): Promise<HeadOutcome> {
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
      return considerHead(parts, { place, head, actor, facts });
    default:
      return decision satisfies never;
  }
}

interface Consideration {
  readonly place: Place;
  readonly head: CommitSha;
  readonly actor: string | undefined;
  readonly facts: Promise<Facts>;
}

async function considerHead(parts: LookParts, { place, head, actor, facts }: Consideration): Promise<HeadOutcome> {
  const { definitions, settler, recorder, store } = parts;
  const after = await definitions.at(place.objects, head, place.environment, place.defaultBranch);
  const before = await settler.defined(place, fold(place.history.present()));
  const hosts = await hostProblems(store, place, after.definitions, before.definitions);
  const problems = [...after.problems, ...hosts];
  const [problem] = problems;
  if (problem) {
    const more = problems.length > 1 ? ` and ${problems.length - 1} more` : "";
    const reason = `its files have problems: ${formatProblem(problem)}${more}`;
    return { observed: head, snapshot: null, waiting: { commit: head, reason } };
  }
  if (before.definitions.size === 0 && after.definitions.size === 0) return { observed: head, snapshot: null };
  const reason = reasonToWait(before.definitions, after.definitions);
  if (reason !== null) return { observed: head, snapshot: null, waiting: { commit: head, reason } };
  const changed = changedDefinitions(before.definitions, after.definitions);
  parts.announce(place, { changed, facts, files: place.repo, isStored: true });
  const [commit] = await place.repo.commitInfo([head]);
  const { row: snapshot, saved } = await recorder.create(place, {
    commit: head,
    actor: actor ?? commit?.author ?? "unknown",
    message: commit?.subject ?? "",
    trailers: {},
  });
  return { observed: head, snapshot, saved, waiting: null, free: askedHosts(after.definitions, before.definitions) };
}

export const moved = (tag: string): string =>
  `${tag} was moved. A snapshot never moves: what it named first still counts. Give the commit a new number instead.`;
