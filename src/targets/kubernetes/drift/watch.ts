import type { Clock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import { stackKey, type StackName } from "../../../core/stack.ts";
import type { Engine } from "../../../engine/engine.ts";
import { foundationStack } from "../../deployer/foundations.ts";
import { isStatus } from "../cluster/cluster-error.ts";
import type { Cluster, Patch } from "../cluster/cluster.ts";
import type { KindName, KubeObject } from "../cluster/object.ts";
import { labels, stackOf } from "../names.ts";
import { manifestOf } from "../provider/manifest.ts";
import { kindOf } from "../provider/token.ts";
import type { ManagedFields } from "./field-tree.ts";
import { appliedObjects, findDrift, type Applied, type Drift } from "./find-drift.ts";
import { makeLooks } from "./looks.ts";
import { makeObjectWatches } from "./object-watches.ts";
import { takeoversOf } from "./takeovers.ts";
import { isSuspicious } from "./traces.ts";

export interface DriftWatchDependencies {
  /** The target's name in the server's settings. */
  readonly target: string;
  readonly cluster: Cluster;
  /** What this server is called in it. */
  readonly server: string;
  /** What this target makes beside the usual kinds. */
  readonly further?: readonly KindName[];
  readonly stacks: AppliedStacks;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after each look, also when it found what the last one did. */
  readonly onLooked: (stack: StackName, drift: readonly Drift[]) => void;
}

/** What was applied, as its engines have it. */
export interface AppliedStacks extends Pick<Engine, "export"> {
  /** Those that are cheap to read. */
  list(): Promise<readonly StackName[]>;
}

/** What others change of what was applied to one cluster. */
export interface DriftWatch {
  /** As it was last seen. */
  drifted(stack: StackName): readonly Drift[];
  /** Looks at a stack, soon. */
  look(stack: StackName): void;
  /** Takes away what others put in the place of the stack's own: all of it, or what no apply can be merged with. */
  makeRoom(stack: StackName, options: TakingBack): Promise<void>;
  close(): Promise<void>;
}

export function makeDriftWatch(dependencies: DriftWatchDependencies): DriftWatch {
  const { target, cluster, server, further = [], stacks, clock, log, onLooked } = dependencies;
  const found = new Map<string, readonly Drift[]>();
  const looks = makeLooks({ clock, log }, async (stack, signal) => {
    const drift = await driftOf(dependencies, stack, { signal, onKind: (kind) => watches.follow(kind) });
    if (drift === null) return "again";
    if (drift.length === 0) found.delete(stackKey(stack));
    else found.set(stackKey(stack), drift);
    onLooked(stack, drift);
    return "done";
  });
  const watches = makeObjectWatches({ cluster, server, clock, log }, (change) => {
    const stack = ownerOf(change.object, target);
    if (stack === null) return;
    const isKnown = found.has(stackKey(stack));
    const before = change.type === "set" ? change.before : null;
    if (change.type === "removed" || isKnown || isSuspicious(change.object, before)) looks.soon(stack);
  });
  for (const kind of further) watches.follow(kind);
  async function lookAtMissing(): Promise<void> {
    await watches.ready();
    for (const stack of await stacks.list()) {
      const resources = (await stacks.export(stack))?.deployment.resources ?? [];
      if (!appliedObjects(resources, target).every(({ reference }) => watches.has(reference))) looks.soon(stack);
    }
  }
  const first = lookAtMissing().catch((error: unknown) => {
    if (looks.signal.aborted) return;
    log.warn({ target, error: messageOf(error) }, "what went while no server ran is not known");
  });
  return {
    drifted: (stack) => found.get(stackKey(stack)) ?? [],
    look: (stack) => looks.soon(stack),
    async makeRoom(stack, options) {
      const known = found.get(stackKey(stack)) ?? [];
      if (known.every(({ isResting }) => isResting)) return;
      const state = await stacks.export(stack, { showSecrets: true });
      const drifted = new Set(known.flatMap(({ urn, isResting }) => (isResting ? [] : [urn])));
      const objects = appliedObjects(state?.deployment.resources ?? [], target);
      await Promise.all(
        objects.filter(({ urn }) => drifted.has(urn)).map((object) => takeBack(cluster, object, options)),
      );
    },
    async close() {
      const ended = looks.close();
      await watches.close();
      await Promise.all([first, ended]);
    },
  };
}

// No apply is made by this name: what it leaves behind would stay when the file gives it up.
const fieldManager = "waybill-restore";

interface TakingBack {
  readonly signal: AbortSignal;
  readonly restore: boolean;
}

/** What it writes is nobody's then, and the next apply's. */
async function takeBack(cluster: Cluster, applied: Applied, { restore, signal }: TakingBack): Promise<void> {
  const { reference } = applied;
  const live = await cluster.get(reference, signal);
  const takeovers = live ? takeoversOf(applied, live) : [];
  if (live === null || takeovers.length === 0) return;
  if (!restore && !(await isRefused(cluster, applied, signal))) return;
  // Refused with 409 where somebody has written to it since.
  const unchanged = ({ metadata }: KubeObject): Patch => ({
    op: "replace",
    path: "/metadata/resourceVersion",
    value: metadata.resourceVersion,
  });
  const changes = takeovers.map(({ pointer, elements }): Patch => ({ op: "replace", path: pointer, value: elements }));
  const options = { signal, fieldManager };
  const changed = await cluster.patch(reference, [unchanged(live), ...changes], options);
  const managers = (changed?.metadata.managedFields ?? []) as readonly ManagedFields[];
  const value = managers.filter(({ manager }) => manager !== fieldManager);
  if (changed) {
    await cluster.patch(
      reference,
      [unchanged(changed), { op: "replace", path: "/metadata/managedFields", value }],
      options,
    );
  }
}

/** Whether what was applied could not be applied now. */
async function isRefused(cluster: Cluster, { resource }: Applied, signal: AbortSignal): Promise<boolean> {
  try {
    await cluster.apply(manifestOf(kindOf(resource.type), resource.inputs ?? {}), { signal, dryRun: true });
    return false;
  } catch (error) {
    if (isStatus(error, 422)) return true;
    throw error;
  }
}

/** Whose an object is: a deployment's, or what an environment's deployments share. */
function ownerOf({ metadata }: KubeObject, target: string): StackName | null {
  const own = metadata.labels ?? {};
  const [repository, environment] = [own[labels.repository], own[labels.environment]];
  if (repository === undefined || environment === undefined) return null;
  return stackOf(own) ?? foundationStack({ repository, environment }, target);
}

interface Look {
  readonly signal: AbortSignal;
  readonly onKind: (kind: KindName) => void;
}

/** Null: the stack is being worked on, and may say something else in a moment. */
async function driftOf(
  { target, cluster, stacks }: DriftWatchDependencies,
  stack: StackName,
  { signal, onKind }: Look,
): Promise<readonly Drift[] | null> {
  const before = await stacks.export(stack, { showSecrets: true });
  if (before === null) return [];
  const { deployment } = before;
  if ((deployment.pending_operations ?? []).length > 0) return null;
  const objects = appliedObjects(deployment.resources ?? [], target);
  for (const { reference } of objects) onKind(reference);
  // The state first, then what is there, then the state again: an apply in between is seen by that.
  const live = await Promise.all(objects.map(({ reference }) => cluster.get(reference, signal)));
  const after = await stacks.export(stack);
  if (after?.deployment.manifest.time !== deployment.manifest.time) return null;
  return objects.flatMap((object, index) => findDrift(object, live[index] ?? null, objects));
}
