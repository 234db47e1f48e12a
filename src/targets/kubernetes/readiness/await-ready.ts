import type { Clock } from "../../../core/clock.ts";
import type { Selection } from "../cluster/cluster.ts";
import type { KubeObject } from "../cluster/object.ts";
import type { Follower, SharedInformers } from "../cluster/shared-informers.ts";
import { makeBell } from "./bell.ts";
import { failed, waiting, type Judgement, type Rule } from "./rule.ts";

export interface Awaiting {
  /** As it was answered when it was applied. */
  readonly object: KubeObject;
  readonly rule: Rule;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What it waits for, each time that changes. */
  readonly onProgress: (message: string) => void;
}

export interface Outcome {
  /** As it was last seen. */
  readonly object: KubeObject;
  readonly state: "ready" | "failed" | "timeout" | "cancelled";
  /** Why it is not ready. */
  readonly reasons: readonly string[];
}

interface AwaitDependencies {
  readonly informers: SharedInformers;
  readonly clock: Clock;
}

/** Watches an object and what its rule wants to see until it is ready, will not be, or the time is up. Never throws. */
export async function awaitReady(dependencies: AwaitDependencies, awaiting: Awaiting): Promise<Outcome> {
  const { informers, clock } = dependencies;
  const { object: applied, rule, signal, timeoutMs, onProgress } = awaiting;
  const changed = makeBell(clock);
  const own = informers.follow(selectionOf(applied), changed.ring);
  const others = (rule.related?.(applied) ?? []).map((selection) => informers.follow(selection, changed.ring));
  signal.addEventListener("abort", changed.ring);
  const endMs = clock.now().getTime() + timeoutMs;
  let object = applied;
  let isFound = false;
  let said = "";
  try {
    for (;;) {
      const nowMs = clock.now().getTime();
      const seen = seenSince(own, applied);
      object = seen ?? object;
      const judgement = seen ? judge({ rule, object, others, nowMs }) : unseen(own, isFound);
      isFound ||= seen !== undefined;
      if (judgement.state === "ready") return { object, state: "ready", reasons: [] };
      const { reasons } = judgement;
      if (judgement.state === "failed") return { object, state: "failed", reasons };
      if (signal.aborted) return { object, state: "cancelled", reasons };
      if (nowMs >= endMs) return { object, state: "timeout", reasons };
      const message = `waiting: ${reasons.join("; ")}`;
      if (message !== said) onProgress(message);
      said = message;
      await changed.next(Math.min(endMs - nowMs, judgement.againInMs ?? Infinity));
    }
  } finally {
    signal.removeEventListener("abort", changed.ring);
    for (const follower of [own, ...others]) follower.release();
  }
}

interface Case {
  readonly rule: Rule;
  readonly object: KubeObject;
  readonly others: readonly Follower[];
  readonly nowMs: number;
}

function judge({ rule, object, others, nowMs }: Case): Judgement {
  const blind = others.map((other) => other.trouble()).find((trouble) => trouble !== null);
  const judgement = rule.judge({ object, related: others.flatMap((other) => other.all()), nowMs });
  if (judgement.state !== "waiting" || !blind) return judgement;
  return { ...judgement, reasons: [...judgement.reasons, blind.message] };
}

function unseen(own: Follower, isFound: boolean): Judgement {
  const trouble = own.trouble();
  if (isFound && trouble === null) return failed("it was deleted or replaced by someone else meanwhile");
  return waiting(trouble === null ? "it is not seen in the cluster" : trouble.message);
}

/** The watch may be behind: what it holds may still be the object as it was before, or another of that name. */
function seenSince(own: Follower, applied: KubeObject): KubeObject | undefined {
  const { name, namespace, uid } = applied.metadata;
  const found = own.get(name, namespace);
  if (found === undefined || found.metadata.uid !== uid || isOlder(found, applied)) return undefined;
  return found;
}

/** Kinds without a generation, such as Service, have nothing else to tell by: versions of one object only grow. */
function isOlder({ metadata: found }: KubeObject, { metadata: applied }: KubeObject): boolean {
  if (applied.generation !== undefined) return (found.generation ?? 0) < applied.generation;
  const [before, after] = [Number(found.resourceVersion), Number(applied.resourceVersion)];
  return before < after;
}

function selectionOf({ apiVersion, kind, metadata }: KubeObject): Selection {
  const { namespace, name } = metadata;
  if (namespace !== undefined) return { apiVersion, kind, namespace };
  return { apiVersion, kind, fieldSelector: `metadata.name=${name}` };
}
