import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { asWaybillError, messageOf } from "../../core/errors.ts";
import type { Identity } from "../../core/identity.ts";
import type { Log } from "../../core/log.ts";
import { commitSha, type RepositoryName } from "../../core/names.ts";
import type { Git } from "../../git/git.ts";
import type { RefView } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import type { PushAnswer } from "./answer.ts";
import { serveHook, type HookCall } from "./hook-channel.ts";
import type { BackendPush } from "./http-backend.ts";
import type { Opening } from "./opening.ts";
import type { Push, PushGate, RefUpdate, Verdict } from "../push-gate.ts";

/** Carries pushes between Git and the gate. */
export interface Pushes {
  serve(push: IncomingPush): Promise<void>;
}

export interface IncomingPush extends BackendPush {
  readonly identity: Identity;
  readonly name: RepositoryName;
  /** Git has ended. */
  readonly ended: Promise<void>;
}

export interface PushesOptions {
  readonly git: Git;
  readonly gate: PushGate;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface PushStart extends Pick<Push, "id" | "repository" | "identity"> {
  /** The refs before this push, read while Git is still taking in its objects. */
  readonly refsBefore: Promise<RefView>;
}

const isStoredYet = "The push is stored, and what it brings is tried again.";
const maxUpdates = 5_000;
// A push leaves a handful of single objects; Git tidies up when there are thousands.
const pushesPerTidying = 100;

export function makePushes({ git, gate, log, clock, signal }: PushesOptions): Pushes {
  const tidyNowAndThen = makeTidying({ git, log, signal });

  async function follow(start: PushStart, updates: readonly RefUpdate[], answer: PushAnswer | null): Promise<void> {
    const push = await storedPush(git, start, updates);
    // Iterated to its end even when the pusher is gone: the deploy is not theirs to stop by closing a terminal.
    for await (const line of gate.follow(push, signal)) answer?.line(line);
  }

  function failed({ id, repository }: PushStart, thrown: unknown): string {
    log.error({ push: id, repository, error: messageOf(thrown) }, "push failed");
    return explain(thrown);
  }

  return {
    async serve({ channel, answer, opening, identity, name, ended }) {
      const refsBefore = git.open(name).then((repository) => repository.refs());
      // A failure is the check's to report, if there ever is one.
      refsBefore.catch(() => undefined);
      const start: PushStart = { id: randomUUID(), repository: name, identity, refsBefore };
      const foreseen = foresee({ git, gate }, start, opening).catch((thrown: unknown) => {
        log.debug({ push: start.id, repository: name, error: messageOf(thrown) }, "push not checked beforehand");
        return null;
      });
      const startedAt = clock.now().getTime();
      let accepted: readonly RefUpdate[] = [];
      void serveHook(channel, async (call, line) => {
        try {
          const known = await foreseen;
          const isForeseen = known !== null && isDeepStrictEqual(known.updates, call.updates);
          const { accept: isAccepted, lines } = isForeseen ? known : await check({ git, gate }, start, call);
          lines.forEach(line);
          if (isAccepted) accepted = call.updates;
          return isAccepted;
        } catch (thrown) {
          line(`${failed(start, thrown)}. Nothing was changed.`);
          return false;
        }
      });
      const relayed = await answer.catch(() => null);
      try {
        const stored = await relayed?.stored;
        const changed = stored
          ? accepted.filter(({ ref }) => stored.has(ref))
          : await ended.then(() => changedRefs(git, name, accepted));
        // The next start looks at every repository.
        if (signal.aborted) relayed?.stop();
        else if (changed.length > 0) await follow(start, changed, relayed);
      } catch (thrown) {
        relayed?.line(`${failed(start, thrown)}. ${isStoredYet}`);
      }
      relayed?.end();
      await ended;
      const durationMs = clock.now().getTime() - startedAt;
      log.info({ push: start.id, repository: name, actor: identity.name, durationMs }, "push served");
      await tidyNowAndThen(name);
      await readRefsAhead({ git, log }, name);
    },
  };
}

/** The next push wants to know them at once. */
async function readRefsAhead({ git, log }: Pick<PushesOptions, "git" | "log">, name: RepositoryName): Promise<void> {
  try {
    await (await git.open(name)).refs();
  } catch (error) {
    log.debug({ repository: name, error: messageOf(error) }, "refs not read ahead of the next push");
  }
}

interface Foreseen extends Verdict {
  readonly updates: readonly RefUpdate[];
}

/** Checks a small push while Git is still at work on it: what is to run is begun that much sooner. Null: not possible. */
async function foresee(
  { git, gate }: Pick<PushesOptions, "git" | "gate">,
  start: PushStart,
  opening: Promise<Opening | null>,
): Promise<Foreseen | null> {
  const opened = await opening;
  if (opened === null || opened.updates.length === 0) return null;
  const { updates, pack } = opened;
  const [refs, repository] = await Promise.all([start.refsBefore, git.openPacked(start.repository, pack)]);
  // A first push settles first what the default branch is called.
  if (repository === null || headFor(refs, updates) !== refs.head) return null;
  const objects: Repository = { ...repository, refs: () => Promise.resolve(refs) };
  return { ...(await gate.check({ ...pushOf(start), updates, objects })), updates };
}

async function check(
  { git, gate }: Pick<PushesOptions, "git" | "gate">,
  start: PushStart,
  { updates, env }: HookCall,
): Promise<Verdict> {
  if (updates.length > maxUpdates) {
    const refusal = `waybill: the push changes ${updates.length} refs; at most ${maxUpdates} are taken at once`;
    return { accept: false, lines: [refusal] };
  }
  const refsBefore = await start.refsBefore;
  const head = headFor(refsBefore, updates);
  if (head !== refsBefore.head) await git.setHead(start.repository, head);
  await using quarantine = disposable(await git.openQuarantine(start.repository, env));
  const objects: Repository = { ...quarantine.repository, refs: async () => ({ ...refsBefore, head }) };
  return gate.check({ ...pushOf(start), updates, objects });
}

function disposable<T extends { close(): Promise<void> }>(repository: T) {
  return { repository, [Symbol.asyncDispose]: () => repository.close() };
}

function makeTidying({ git, log, signal }: Pick<PushesOptions, "git" | "log" | "signal">) {
  let pushes = 0;
  return async (name: RepositoryName): Promise<void> => {
    pushes += 1;
    if (pushes % pushesPerTidying !== 0 || signal.aborted) return;
    try {
      await (await git.open(name)).tidy(signal);
    } catch (thrown) {
      log.warn({ repository: name, error: messageOf(thrown) }, "tidying up a repository failed");
    }
  };
}

const pushOf = ({ id, repository, identity }: PushStart) => ({ id, repository, identity });

async function storedPush(git: Git, start: PushStart, updates: readonly RefUpdate[]): Promise<Push> {
  const objects = await git.open(start.repository);
  return { ...pushOf(start), updates, objects, ...withRefs(await start.refsBefore, updates) };
}

/** Reading the refs once more would cost each push a process of its own. Tags bring more than a name: those are read. */
function withRefs(before: RefView, updates: readonly RefUpdate[]): Pick<Push, "refs"> {
  const branches = new Map(before.branches);
  for (const { ref, after } of updates) {
    if (!ref.startsWith("refs/heads/")) return {};
    const branch = ref.slice("refs/heads/".length);
    if (after === null) branches.delete(branch);
    else branches.set(branch, commitSha(after));
  }
  return { refs: { ...before, head: headFor(before, updates), branches } };
}

/** The first push decides what the default branch is called, before the gate looks. */
function headFor({ head, branches }: RefView, updates: readonly RefUpdate[]): string {
  const pushed = updates
    .filter(({ ref }) => ref.startsWith("refs/heads/"))
    .map(({ ref }) => ref.slice("refs/heads/".length));
  if (branches.size > 0 || pushed.includes(head)) return head;
  return pushed.includes("master") ? "master" : (pushed[0] ?? head);
}

function explain(thrown: unknown): string {
  const { verdict, message } = asWaybillError(thrown);
  return `waybill: ${verdict === "bug" ? "a defect in the server; its log says more" : message}`;
}

/** Of a push whose end Git did not tell: those refs that are as it wanted them. */
async function changedRefs(
  git: Git,
  name: RepositoryName,
  updates: readonly RefUpdate[],
): Promise<readonly RefUpdate[]> {
  if (updates.length === 0) return [];
  const { branches, snapshots } = await (await git.open(name)).refs();
  const now = new Map<string, string>([
    ...[...branches].map(([branch, sha]) => [`refs/heads/${branch}`, sha] as const),
    ...snapshots.map(({ tag, sha }) => [`refs/tags/${tag}`, sha] as const),
  ]);
  return updates.filter(({ ref, after }) => (now.get(ref) ?? null) === after);
}
