import { backoffMs } from "../../../core/waiting/backoff.ts";
import { systemClock, type Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { silentLog, type Log } from "../../../core/log.ts";
import { isStatus } from "./cluster-error.ts";
import type { Cluster, Selection } from "./cluster.ts";
import { makeMirror, type Mirror, type MirrorOptions } from "./mirror.ts";
import type { KubeObject } from "./object.ts";

export interface InformerOptions<Kind extends KubeObject> extends Selection, MirrorOptions<Kind> {
  readonly clock?: Clock;
  readonly log?: Log;
}

/** Keeps what a selection holds, as the cluster tells of it: lists once, watches on, lists again when it fell behind. */
export interface Informer<Kind extends KubeObject = KubeObject> extends Pick<Mirror<Kind>, "all" | "get"> {
  /** Resolves once everything there is has been seen. Rejects only when closed before that. */
  readonly ready: Promise<void>;
  /** The last error while it cannot see the cluster; null when it can. */
  trouble(): WaybillError | null;
  close(): Promise<void>;
}

export function makeInformer<Kind extends KubeObject = KubeObject>(
  cluster: Cluster,
  options: InformerOptions<Kind>,
): Informer<Kind> {
  const { clock = systemClock, log = silentLog, onChange, isMeant, trim, ...selection } = options;
  const closing = new AbortController();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  const mirror = makeMirror<Kind>({
    ...(onChange && { onChange }),
    ...(isMeant && { isMeant }),
    ...(trim && { trim }),
  });
  let trouble: WaybillError | null = null;
  const running = followForEver({
    cluster,
    selection,
    mirror,
    clock,
    signal: closing.signal,
    onSight() {
      trouble = null;
      ready.resolve();
    },
    onTrouble(error) {
      trouble = error instanceof WaybillError ? error : new WaybillError("BUG", messageOf(error), { cause: error });
      const { kind, namespace } = selection;
      log.warn({ kind, namespace, code: trouble.code, error: trouble.message }, "watch interrupted");
    },
  });
  return {
    ready: ready.promise,
    trouble: () => trouble,
    all: () => mirror.all(),
    get: (name, namespace) => mirror.get(name, namespace),
    async close() {
      closing.abort(new WaybillError("APPLY_CANCELLED", `the watch of ${selection.kind} was closed`));
      await running;
      ready.reject(closing.signal.reason);
    },
  };
}

interface Following<Kind extends KubeObject> {
  readonly cluster: Cluster;
  readonly selection: Selection;
  readonly mirror: Mirror<Kind>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onSight: () => void;
  readonly onTrouble: (error: unknown) => void;
}

const delayMs = (failures: number): number => backoffMs({ failures, firstMs: 100, maxMs: 10_000 });
// A watch that ends sooner than this is no better than one that fails.
const shortestLifeMs = 1_000;

async function followForEver<Kind extends KubeObject>(following: Following<Kind>): Promise<void> {
  const { signal, clock, onTrouble } = following;
  for (let failures = 0; !signal.aborted;) {
    try {
      await followFromList(following, () => (failures = 0));
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      // Having been away for longer than the API server remembers is nothing to speak of.
      if (!isStatus(error, 410)) onTrouble(error);
      await clock.sleep(delayMs(failures), signal).catch(() => undefined);
    }
  }
}

/** From one list on, watch after watch, until the API server has forgotten where we are: then it throws. */
async function followFromList<Kind extends KubeObject>(
  { cluster, selection, mirror, clock, signal, onSight, onTrouble }: Following<Kind>,
  onListed: () => void,
): Promise<never> {
  const list = await cluster.list<Kind>(selection, signal);
  mirror.replace(list.items);
  onSight();
  let { resourceVersion } = list;
  for (let failures = 0; ;) {
    const startMs = clock.now().getTime();
    try {
      for await (const event of cluster.watch<Kind>(selection, { resourceVersion, signal })) {
        mirror.take(event);
        resourceVersion = event.object.metadata.resourceVersion ?? resourceVersion;
        failures = 0;
        onListed();
        onSight();
      }
      failures = clock.now().getTime() - startMs < shortestLifeMs ? failures + 1 : 0;
    } catch (error) {
      if (signal.aborted || isStatus(error, 410) || !isPassing(error)) throw error;
      failures += 1;
      onTrouble(error);
    }
    if (failures > 0) await clock.sleep(delayMs(failures), signal);
  }
}

const isPassing = (error: unknown): boolean => !(error instanceof WaybillError) || error.verdict === "transient";
