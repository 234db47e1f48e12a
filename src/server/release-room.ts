import type { Clock } from "../core/clock.ts";
import { makeFeed } from "../core/feed.ts";
import type { Log } from "../core/log.ts";
import { makeSlots, type Slots } from "../core/waiting/slots.ts";
import type { Git } from "../git/git.ts";
import type { PushGate } from "../intake/push-gate.ts";
import { makeAnnouncer } from "../release/apply/announce.ts";
import type { DeployRuns } from "../release/apply/deploy-jobs.ts";
import { makeDriftNotes } from "../release/apply/drift.ts";
import { makeDriver, type Step } from "../release/apply/drive.ts";
import { makeObserver } from "../release/apply/status.ts";
import type { RemoteKeys } from "../release/connect.ts";
import { makeDefinitions } from "../release/define/definitions.ts";
import { makeNotices } from "../release/define/notices.ts";
import { makePreviews } from "../release/define/previews.ts";
import type { Deployer } from "../release/deployer.ts";
import { makePushCheck } from "../release/push/check.ts";
import { makePushFollow } from "../release/push/follow.ts";
import type { ReleaseEvent } from "../release/release.ts";
import { makeRelease } from "../release/service.ts";
import { makeInsistence } from "../release/snapshots/insistence.ts";
import { makePushers } from "../release/snapshots/pushers.ts";
import { makeRecorder } from "../release/snapshots/record.ts";
import { makeSettler, type SecretVersions } from "../release/snapshots/settle.ts";
import { makeWatcher } from "../release/snapshots/watch.ts";
import type { ReleaseStore } from "../release/store.ts";
import type { SpecContext } from "../spec/context.ts";
import type { Concealment } from "../targets/concealment.ts";

interface ReleaseRoomParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly deployer: Deployer;
  /** The runs of jobs around switches; null where nobody runs jobs. */
  readonly deployRuns: DeployRuns | null;
  readonly secrets: SecretVersions;
  readonly remoteKeys: RemoteKeys;
  readonly context: SpecContext;
  /** Whether a target's programs run on other machines than this one. */
  readonly isElsewhere: (target: string) => boolean;
  /** How to say something of workloads without a value of their secrets. */
  readonly conceal: Concealment["of"];
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

// An apply on this machine starts programs here; one elsewhere does little but wait until they are ready there.
const maxParallelHere = 8;
const maxParallelElsewhere = 64;

/** The release room, wired: from a look at refs to applies and what people see of them. */
export function makeReleaseRoom(parts: ReleaseRoomParts) {
  const { git, store, deployer, secrets, clock, log, signal } = parts;
  const steps = makeFeed<Step>();
  const events = makeFeed<ReleaseEvent>();
  const here = makeSlots({ running: maxParallelHere });
  const elsewhere = makeSlots({ running: maxParallelElsewhere });
  const slotsOf = (target: string): Slots => (parts.isElsewhere(target) ? elsewhere : here);
  const driver = makeDriver({ store, deployer, steps, clock, log, slotsOf, deployRuns: parts.deployRuns });
  const definitions = makeDefinitions({ context: parts.context });
  const settler = makeSettler({ store, definitions, secrets, driver });
  const announce = makeAnnouncer({ driver, deployer, log });
  const pushers = makePushers();
  const recorder = makeRecorder({ settler, pushers, clock });
  const watcher = makeWatcher({ git, store, definitions, settler, recorder, announce, events, log, signal });
  const insistent = makeInsistence({ watcher, clock, log, signal });
  const notices = makeNotices({ deployer, store, clock });
  const previews = makePreviews({ deployer });
  const gate: PushGate = {
    check: makePushCheck({ store, definitions, settler, announce, notices, previews, pushers }),
    follow: makePushFollow({ watcher: insistent, driver, steps, clock }),
  };
  steps.listen(({ stack }) => events.publish({ type: "deployment", ...stack }));
  return {
    driver,
    watcher,
    /** Repeats what fails. */
    insistent,
    gate,
    observe: makeObserver({ store, driver, events, conceal: parts.conceal, log }),
    noteDrift: makeDriftNotes({ store, events, log }),
    release: makeRelease({
      git,
      store,
      definitions,
      settler,
      watcher,
      secrets,
      events,
      clock,
      notices,
      previews,
      remoteKeys: parts.remoteKeys,
    }),
  };
}
