import { isDeepStrictEqual } from "node:util";
import { systemClock } from "../../core/clock.ts";
import { makeFeed } from "../../core/feed.ts";
import type { Log } from "../../core/log.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { DriftRow } from "../../release/store.ts";
import type { DriftView } from "../../release/views.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { foundationTarget } from "../../targets/deployer/foundations.ts";
import type { Cluster } from "../../targets/kubernetes/cluster/cluster.ts";
import { changedByOthers, type Drift } from "../../targets/kubernetes/drift/find-drift.ts";
import { makePutBacks } from "../../targets/kubernetes/drift/put-backs.ts";
import {
  makeDriftWatch,
  type AppliedStacks,
  type DriftWatch,
  type DriftWatchDependencies,
} from "../../targets/kubernetes/drift/watch.ts";
import type { Drifts } from "../../targets/deployer/restoring-deployer.ts";
import type { Closers } from "../closers.ts";

/** What a cluster's target is watched with. */
export interface WatchedCluster {
  readonly cluster: Cluster;
  readonly server: string;
  readonly drift: NonNullable<KubernetesTargetSettings["drift"]>;
  readonly further: NonNullable<DriftWatchDependencies["further"]>;
}

interface DriftParts {
  readonly clusters: Readonly<Record<string, WatchedCluster>>;
  readonly stacks: AppliedStacks;
  readonly log: Log;
  readonly closers: Closers;
}

export interface OpenDrift extends Drifts {
  /** Called with all that a stack has drifted, whenever it was looked at. Answers how to stop. */
  onSeen(listener: (row: DriftRow) => void): () => void;
  /** Called when a stack's drift is to be put back: the deployment's, or with `shared` any of its environment. */
  onRestore(listener: (stack: StackName, shared: boolean) => void): () => void;
  /** Looks again at those that were found otherwise before: that may have been put right meanwhile. */
  lookAgain(rows: readonly DriftRow[]): void;
}

/** Watches what others change on the clusters of the settings. */
export function openDrift({ clusters, stacks, log, closers }: DriftParts): OpenDrift {
  const clock = systemClock;
  const seen = makeFeed<DriftRow>();
  const restores = makeFeed<{ readonly stack: StackName; readonly shared: boolean }>();
  const closing = new AbortController();
  const watches = new Map<string, DriftWatch>();
  const rows = makeRows(() => clock.now());
  for (const [target, { drift: mode, ...watched }] of Object.entries(clusters)) {
    const restorer = makeRestorer((stack) => {
      // A new revision may have ended it meanwhile.
      if ((watches.get(target)?.drifted(stack) ?? []).length === 0) return;
      restores.publish({ stack, shared: foundationTarget(stack) !== null });
    });
    const onLooked = (stack: StackName, drift: readonly Drift[]): void => {
      if (mode === "restore") restorer.plan(stack, drift, closing.signal);
      // A stack that moved may have objects on two of them.
      const everywhere = [...watches.values()].flatMap((watch) => watch.drifted(stack));
      seen.publish(rows.of(stack, everywhere, mode === "restore" ? restorer.words : () => ""));
    };
    watches.set(target, makeDriftWatch({ target, ...watched, stacks, clock, log, onLooked }));
  }
  closers.add(async () => {
    closing.abort(new Error("the server is stopping"));
    await Promise.all([...watches.values()].map((watch) => watch.close()));
  });
  const all = [...watches.values()];
  return {
    changed(stack) {
      const drift = all.flatMap((watch) => watch.drifted(stack)).filter(({ isResting }) => !isResting);
      return { urns: new Set(drift.map(({ urn }) => urn)), reason: changedByOthers };
    },
    async makeRoom(stack, options) {
      await Promise.all(all.map((watch) => watch.makeRoom(stack, options)));
    },
    look(stack) {
      for (const watch of all) if (watch.drifted(stack).length > 0) watch.look(stack);
    },
    onSeen: (listener) => seen.listen(listener),
    onRestore: (listener) => restores.listen(({ stack, shared }) => listener(stack, shared)),
    lookAgain(known) {
      for (const row of known) {
        rows.remember(row);
        const { repository, environment, stack: deployment } = row;
        for (const watch of all) watch.look({ repository, environment, deployment });
      }
    },
  };
}

/** What is shown. Where the cluster keeps no time of a change, it is when that was first seen. */
function makeRows(now: () => Date) {
  const last = new Map<string, readonly DriftView[]>();
  const keyOf = ({ repository, environment, stack }: Omit<DriftRow, "found" | "deployment">): string =>
    `${repository}/${environment}/${stack}`;
  const isSame = (one: DriftView, other: Drift): boolean =>
    one.object === other.object && one.field === other.field && isDeepStrictEqual(one.found, other.found);
  return {
    remember: (row: DriftRow): void => void last.set(keyOf(row), row.found),
    of(stack: StackName, drift: readonly Drift[], words: (drift: Drift) => string): DriftRow {
      const { repository, environment, deployment } = stack;
      const place = { repository, environment, stack: deployment };
      const known = last.get(keyOf(place)) ?? [];
      const found = drift.map((each): DriftView => {
        const { object, field, wanted, found: value, by } = each;
        const at = each.at ?? known.find((one) => isSame(one, each))?.at ?? now().toISOString();
        return { object, field, wanted, found: value, by, at, note: words(each) };
      });
      if (found.length === 0) last.delete(keyOf(place));
      else last.set(keyOf(place), found);
      return { ...place, deployment: foundationTarget(stack) === null ? deployment : null, found };
    },
  };
}

function makeRestorer(restore: (stack: StackName) => void) {
  const putBacks = makePutBacks();
  const due = new Set<string>();
  const now = (): number => systemClock.now().getTime();
  return {
    words: (drift: Drift): string => putBacks.words(drift, now()),
    plan(stack: StackName, drift: readonly Drift[], signal: AbortSignal): void {
      const key = stackKey(stack);
      const delayMs = putBacks.delayMs(drift, now());
      if (delayMs === null || due.has(key)) return;
      due.add(key);
      systemClock
        .sleep(delayMs, signal)
        .then(() => {
          due.delete(key);
          putBacks.note(drift, now());
          restore(stack);
        })
        .catch(() => undefined);
    },
  };
}
