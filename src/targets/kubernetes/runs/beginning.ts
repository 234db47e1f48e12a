import type { Clock } from "../../../core/clock.ts";
import { WaybillError } from "../../../core/errors.ts";
import type { RunStartOptions } from "../../run-executor.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { ObjectReference } from "../cluster/object.ts";
import type { EventObject } from "../observe/pods.ts";
import { endingOf, hasEnded, startedAtOf, waitOf } from "./run-end.ts";
import { hasJobEnded, type Followed } from "./run-sight.ts";

interface Parts {
  readonly cluster: Pick<Cluster, "get" | "list">;
  readonly clock: Clock;
}

interface Undoing {
  readonly end: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly closing: AbortSignal;
  readonly stopSeconds: number;
}

/** Its program may have begun at this very moment: resolves when nothing of it runs, or its node has fallen silent. */
export async function undo(followed: Followed, { end, clock, closing, stopSeconds }: Undoing): Promise<void> {
  const untilMs = clock.now().getTime() + stopSeconds * 1_000 + silenceMs;
  await end(closing).catch(() => undefined);
  while (!closing.aborted && clock.now().getTime() < untilMs) {
    const view = followed.view();
    if (view.pod ? endingOf(view, false) !== null : view.isJobGone) return;
    await followed.change(lookMs, closing);
  }
}

const lookMs = 3_000;
const silenceMs = 30_000;
// A registry, a secret or a node may yet make it good.
const passingMs = 20_000;

interface Awaiting {
  /** Of the Job. */
  readonly reference: ObjectReference;
  readonly options: RunStartOptions;
}

/** Throws RUN_LOST when the program will not come to run. */
export async function awaitProgram(parts: Parts, followed: Followed, { reference, options }: Awaiting): Promise<void> {
  const { cluster, clock } = parts;
  const { signal, onWaiting } = options;
  let troubledSinceMs: number | null = null;
  for (let isFirst = true; ; isFirst = false) {
    const view = followed.view();
    if (view.pod && (startedAtOf(view.pod) !== null || hasEnded(view.pod))) return;
    if (!view.pod && view.job && hasJobEnded(view.job)) return;
    const ending = endingOf(view, false);
    if (ending) throw new WaybillError("RUN_LOST", ending.cause ?? "its pod ended before its program began");
    signal.throwIfAborted();
    if (!isFirst) {
      const events = await eventsOf(parts, view.pod?.metadata.uid ?? view.job?.metadata.uid, signal);
      const trouble = waitOf(view, events);
      onWaiting(trouble && `its pod: ${trouble.reason}`);
      const nowMs = clock.now().getTime();
      if (trouble?.isFinal !== true) troubledSinceMs = null;
      else if (nowMs - (troubledSinceMs ??= nowMs) >= passingMs) throw new WaybillError("RUN_LOST", trouble.reason);
      // One that does not answer has said nothing.
      if (!view.pod && !(await cluster.get(reference, signal).catch(() => true))) followed.noteJobGone();
    }
    await followed.change(isFirst ? lookMs / 3 : lookMs, signal);
  }
}

/** The cluster's warnings about one object. */
async function eventsOf(
  { cluster }: Parts,
  uid: string | undefined,
  signal: AbortSignal,
): Promise<readonly EventObject[]> {
  if (uid === undefined) return [];
  const selection = { apiVersion: "v1", kind: "Event", fieldSelector: `type=Warning,involvedObject.uid=${uid}` };
  return (await cluster.list<EventObject>(selection, signal).catch(() => ({ items: [] }))).items;
}
