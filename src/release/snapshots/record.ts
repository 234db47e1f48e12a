import type { CommitSha } from "../../core/names.ts";
import { environmentName } from "../../core/names.ts";
import type { Clock } from "../../core/clock.ts";
import type { Repository } from "../../git/repository.ts";
import type { SnapshotTag } from "../../git/snapshot-tag.ts";
import { stateOn } from "./back.ts";
import { fold } from "./fold.ts";
import { planChanges, type Change } from "../plan.ts";
import type { History } from "./history.ts";
import type { Pushers } from "./pushers.ts";
import type { Settler, SettleRequest } from "./settle.ts";
import { readSnapshot, trailerNames, type GoesBack, type Snapshot } from "./snapshot.ts";
import type { SnapshotRow } from "../store.ts";

/** An environment of one repository, at the moment of a look. */
export interface Place extends SettleRequest {
  readonly repo: Repository;
  readonly history: History;
  readonly branch: string | null;
}

export interface NewTag {
  readonly commit: CommitSha;
  readonly actor: string;
  readonly message: string;
  readonly trailers: Readonly<Record<string, string>>;
}

export interface Recorder {
  /** Creates the next snapshot tag of the environment, and begins to record it. A kill in between is made good by the next look. */
  create(place: Place, tag: NewTag): Promise<CreatedSnapshot>;
  /** Records a tag that Git has. `actor` led to the look that found it, which says little of who made it. */
  record(place: Place, tag: SnapshotTag, actor: string | undefined): Promise<SnapshotRow>;
}

export interface CreatedSnapshot {
  readonly row: SnapshotRow;
  readonly saved: Promise<void>;
}

interface RecorderParts {
  readonly settler: Pick<Settler, "defined">;
  readonly pushers: Pick<Pushers, "take">;
  readonly clock: Clock;
}

const serverEmail = "waybill@localhost";

export function makeRecorder({ settler, pushers, clock }: RecorderParts): Recorder {
  async function save(place: Place, snapshot: Snapshot): Promise<CreatedSnapshot> {
    const earlier = earlierThan(place, snapshot);
    const [commit] = await place.repo.commitInfo([snapshot.commit]);
    const row: SnapshotRow = {
      ...snapshot,
      branch: place.branch,
      subject: commit?.subject ?? "",
      author: commit?.author ?? "",
      changes: await changesOf(settler, place, { earlier, snapshot }),
      isDeleted: false,
    };
    const saved = place.history.save(row);
    // Whoever awaits it sees the failure.
    saved.catch(() => undefined);
    return { row, saved };
  }

  return {
    async record(place, tag, actor) {
      const goesBack = await goesBackFrom(place.repo, tag, earlierThan(place, tag));
      const snapshot = readSnapshot(tag, goesBack);
      const isSigned = tag.tagger !== null || tag.trailers[trailerNames.actor] !== undefined;
      // What a tag says of its maker counts only where nobody authenticated.
      const by = pushers.take(place.repository, tag.tag) ?? (isSigned ? undefined : actor) ?? snapshot.actor;
      const { row, saved } = await save(place, { ...snapshot, actor: by });
      await saved;
      return row;
    },
    async create(place, { commit, actor, message, trailers }) {
      const number = Math.max(0, ...place.history.all().map((row) => row.number)) + 1;
      const tag = await place.repo.createSnapshot({
        environment: environmentName(place.environment),
        number,
        commit,
        tagger: { name: actor, email: serverEmail },
        at: clock.now(),
        message,
        trailers: { [trailerNames.actor]: actor, ...trailers },
      });
      // Our own tags say themselves what they are.
      return save(place, readSnapshot(tag, null));
    },
  };
}

const earlierThan = ({ history }: Place, { number }: { readonly number: number }): readonly SnapshotRow[] =>
  history.present().filter((row) => row.number < number);

/** What was live before, when the new tag's commit lies behind it. */
async function goesBackFrom(
  repo: Pick<Repository, "isAncestor">,
  tag: SnapshotTag,
  earlier: readonly Snapshot[],
): Promise<GoesBack | null> {
  const folded = fold(earlier);
  const only = tag.trailers[trailerNames.only];
  const live = (only === undefined ? undefined : folded.exceptions.get(only)) ?? folded.base;
  if (!live || live.commit === tag.commit) return null;
  if (!(await isBehind(repo, tag.commit, { live: live.commit, earlier }))) return null;
  const keeps = [...(stateOn(earlier, tag.commit)?.exceptions.values() ?? [])].map((kept) => kept.tag);
  return { from: live.tag, keeps };
}

/** By ancestry; of commits on two branches, the one that was deployed before lies behind. */
async function isBehind(
  repo: Pick<Repository, "isAncestor">,
  commit: CommitSha,
  { live, earlier }: { readonly live: CommitSha; readonly earlier: readonly Snapshot[] },
): Promise<boolean> {
  if (await repo.isAncestor(commit, live)) return true;
  return earlier.some((snapshot) => snapshot.commit === commit) && !(await repo.isAncestor(live, commit));
}

interface Moment {
  readonly earlier: readonly Snapshot[];
  readonly snapshot: Snapshot;
}

async function changesOf(
  settler: Pick<Settler, "defined">,
  place: Place,
  { earlier, snapshot }: Moment,
): Promise<readonly Change[]> {
  if (snapshot.kind === "hold" || snapshot.kind === "release") return [];
  const before = await settler.defined(place, fold(earlier));
  const after = await settler.defined(place, fold([...earlier, snapshot]));
  return planChanges(before.definitions, after.definitions).filter(({ action }) => action !== "unchanged");
}
