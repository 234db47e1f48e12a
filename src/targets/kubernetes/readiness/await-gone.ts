import type { Clock } from "../../../core/clock.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KubeObject, ObjectReference } from "../cluster/object.ts";
import type { SharedInformers } from "../cluster/shared-informers.ts";
import { makeBell } from "./bell.ts";

interface Going {
  readonly reference: ObjectReference;
  readonly uid: string | undefined;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly onProgress: (message: string) => void;
}

interface GoneDependencies {
  readonly cluster: Cluster;
  readonly informers: SharedInformers;
  readonly clock: Clock;
}

/** Watches until the object is gone: null. Answers it as it still is when the time is up or the signal aborts. */
export async function awaitGone({ informers, clock }: GoneDependencies, going: Going): Promise<KubeObject | null> {
  const { reference, uid, signal, timeoutMs, onProgress } = going;
  const { apiVersion, kind, namespace, name } = reference;
  const bell = makeBell(clock);
  const where = namespace === undefined ? {} : { namespace };
  const selection = { apiVersion, kind, ...where, fieldSelector: `metadata.name=${name}` };
  const follower = informers.follow(selection, bell.ring);
  signal.addEventListener("abort", bell.ring);
  let isListed = false;
  follower.ready.then(
    () => {
      isListed = true;
      bell.ring();
    },
    () => undefined,
  );
  const endMs = clock.now().getTime() + timeoutMs;
  let last: KubeObject = { apiVersion, kind, metadata: { name, ...where } };
  try {
    for (let isSaid = false; ; isSaid = true) {
      const found = follower.get(name, namespace);
      if (found === undefined ? isListed : uid !== undefined && found.metadata.uid !== uid) return null;
      last = found ?? last;
      const leftMs = endMs - clock.now().getTime();
      if (signal.aborted || leftMs <= 0) return last;
      if (!isSaid) onProgress("waiting until it is gone");
      await bell.next(leftMs);
    }
  } finally {
    signal.removeEventListener("abort", bell.ring);
    follower.release();
  }
}
