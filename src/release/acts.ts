import { WaybillError } from "../core/errors.ts";
import type { CommitSha } from "../core/names.ts";
import { formatProblem } from "../spec/problem.ts";
import type { Defined, Definitions } from "./define/definitions.ts";
import {
  asSeenBy,
  isSameState,
  keptTrailer,
  liveState,
  passedOverWords,
  rollbackTarget,
  stateAt,
  type LiveState,
} from "./snapshots/back.ts";
import { fold } from "./snapshots/fold.ts";
import type { NewTag, Place } from "./snapshots/record.ts";
import type { EnvironmentRef, Release } from "./release.ts";
import { presentOf } from "./snapshots/history.ts";
import type { SecretVersions } from "./snapshots/settle.ts";
import { trailerNames, type Snapshot } from "./snapshots/snapshot.ts";
import type { ReleaseStore } from "./store.ts";
import type { Watcher } from "./snapshots/watch.ts";
import { hostProblems } from "./define/hosts.ts";
import { desiredOf } from "./define/workloads.ts";

interface ActsParts {
  readonly store: ReleaseStore;
  readonly watcher: Watcher;
  readonly definitions: Definitions;
  readonly secrets: SecretVersions;
}

type RollbackRequest = Parameters<Release["rollback"]>[0];

/** What people do to an environment: each is a snapshot tag, so that Git alone tells it again. */
export function makeActs(parts: ActsParts) {
  const { store, watcher } = parts;

  async function waitingIn({ repository, environment }: EnvironmentRef) {
    const rows = await store.environments(repository);
    return rows.find((row) => row.environment === environment)?.waiting ?? null;
  }

  return {
    rollback: (request: RollbackRequest) => watcher.tag(request, (place) => rollbackTag(parts, request, place)),

    /** Of what is on hold already, a hold without a reason changes nothing. */
    async hold(request: EnvironmentRef & { reason: string; actor: { name: string } }): Promise<void> {
      if (request.reason === "" && fold(presentOf(await store.snapshots(request))).hold) return;
      await watcher.tag(request, async () => {
        const live = await requireLive(store, request);
        const reason = request.reason || `held by ${request.actor.name}`;
        return {
          commit: live.commit,
          actor: request.actor.name,
          message: `Hold ${request.environment}`,
          trailers: { [trailerNames.hold]: reason },
        };
      });
    },

    /** Lets go of what waits; without anything waiting, only of the hold. */
    async release(request: EnvironmentRef & { actor: { name: string } }): Promise<void> {
      await watcher.tag(request, async (place) => {
        const waiting = await waitingIn(request);
        const actor = request.actor.name;
        if (waiting) {
          await refuseProblems(parts, place, waiting.commit);
          const reason = `released: ${waiting.reason}`;
          const message = `Release ${waiting.commit.slice(0, 7)}`;
          return { commit: waiting.commit, actor, message, trailers: { [trailerNames.reason]: reason } };
        }
        const live = await requireLive(store, request);
        const { hold, highest } = fold(presentOf(await store.snapshots(request)));
        if (!hold) throw new WaybillError("CONFLICT", `${request.environment} is not on hold and nothing waits for it`);
        const releases = `waybill/${request.environment}/${highest}`;
        const message = `Release ${request.environment}`;
        return { commit: live.commit, actor, message, trailers: { [trailerNames.releases]: releases } };
      });
    },
  };
}

async function requireLive(store: ReleaseStore, environment: EnvironmentRef): Promise<Snapshot> {
  const { base } = fold(presentOf(await store.snapshots(environment)));
  if (base) return base;
  throw new WaybillError("NOT_FOUND", `${environment.repository} has no snapshot in ${environment.environment} yet`);
}

async function rollbackTag(parts: ActsParts, request: RollbackRequest, place: Place): Promise<NewTag> {
  const { environment, to, only, note, actor } = request;
  const snapshots = place.history.present();
  const live = asSeenBy(only, liveState(snapshots));
  if (!live) throw new WaybillError("NOT_FOUND", `${environment} has no snapshot to roll back`);
  const back =
    to === null
      ? rollbackTarget(snapshots, only, await parts.store.failures(request))
      : { target: asSeenBy(only, stateAt(snapshots, to)), passedOver: [] };
  const passedOver = back.passedOver.map(passedOverWords);
  const { target } = back;
  if (!target) {
    const wanted = to === null ? `nothing before ${live.snapshot.tag}` : `no snapshot waybill/${environment}/${to}`;
    const passed = passedOver.length === 0 ? "" : ` but ${passedOver.join("; ")}: --to NUMBER goes there all the same`;
    throw new WaybillError(
      "NOT_FOUND",
      `${environment} has ${wanted} to go back to${passed}: see waybill history ${environment}`,
    );
  }
  if (only !== null) await refuseUnknownName(parts, place, { only, live: live.snapshot, target: target.snapshot });
  refuseSame({ environment, to, only }, live, target);
  await refuseUnusable(parts, place, { target, only });
  const reason = [note, ...passedOver.map((one) => `passed over ${one}`)].filter((text) => text !== "").join("; ");
  const trailers = {
    [trailerNames.reverts]: live.snapshot.tag,
    ...(only === null ? {} : { [trailerNames.only]: only }),
    ...keptTrailer(target),
    ...(reason === "" ? {} : { [trailerNames.reason]: reason }),
  };
  const { commit, tag } = target.snapshot;
  return { commit, actor: actor.name, message: `Return to ${tag}`, trailers };
}

function refuseSame(
  { environment, to, only }: Pick<RollbackRequest, "environment" | "to" | "only">,
  live: LiveState,
  target: LiveState,
): void {
  if (!isSameState(live, target)) return;
  const what = only === null ? environment : `${only} in ${environment}`;
  throw new WaybillError(
    "CONFLICT",
    `${what} is as it was at waybill/${environment}/${to} already, on ${live.snapshot.commit.slice(0, 7)}: there is nothing to take back. To keep it so: waybill hold ${environment}`,
  );
}

interface OnlyRequest {
  readonly only: string;
  readonly live: Snapshot;
  readonly target: Snapshot;
}

async function refuseUnknownName({ definitions }: ActsParts, place: Place, { only, live, target }: OnlyRequest) {
  const at = ({ commit }: Snapshot) => definitions.at(place.objects, commit, place.environment, place.defaultBranch);
  const [now, then] = await Promise.all([at(live), at(target)]);
  if (now.definitions.has(only) || then.definitions.has(only)) return;
  throw new WaybillError("NOT_FOUND", `${place.environment} has no deployment ${JSON.stringify(only)}`);
}

/** A commit can be deployed again only while its files keep the rules. */
async function refuseProblems({ definitions, store }: ActsParts, place: Place, commit: CommitSha): Promise<Defined> {
  const defined = await definitions.at(place.objects, commit, place.environment, place.defaultBranch);
  const problems = [...defined.problems, ...(await hostProblems(store, place, defined.definitions))];
  if (problems.length === 0) return defined;
  const lines = problems.map(formatProblem).join("\n");
  throw new WaybillError("SPEC_INVALID", `${commit.slice(0, 7)} cannot be deployed any more:\n${lines}`);
}

/** It can be returned to only while all that it needs is still there. */
async function refuseUnusable(
  parts: ActsParts,
  place: Place,
  { target, only }: { readonly target: LiveState; readonly only: string | null },
): Promise<void> {
  const { secrets, store } = parts;
  const [secretVersions, overrides] = await Promise.all([secrets.versions(place), store.overrides(place)]);
  const { exceptions } = target;
  for (const commit of new Set([target.snapshot, ...exceptions.values()].map((snapshot) => snapshot.commit))) {
    const { definitions } = await refuseProblems(parts, place, commit);
    for (const definition of definitions.values()) {
      const { name } = definition;
      const followed = (exceptions.get(name) ?? target.snapshot).commit;
      if (followed !== commit || (only !== null && name !== only)) continue;
      const stack = { repository: place.repository, environment: place.environment, deployment: name };
      const { blocked } = desiredOf(stack, definition, { secretVersions, overrides });
      if (blocked !== null) {
        throw new WaybillError("CONFLICT", `${commit.slice(0, 7)} cannot run any more: ${name}: ${blocked}`);
      }
    }
  }
}
