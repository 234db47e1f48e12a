import { randomUUID } from "node:crypto";
import type { Duplex } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import { asWaybillError, messageOf } from "../../core/errors.ts";
import type { Identity } from "../../core/identity.ts";
import type { Log } from "../../core/log.ts";
import { commitSha, type RepositoryName } from "../../core/names.ts";
import type { Git } from "../../git/git.ts";
import type { RefView } from "../../git/refs.ts";
import type { Repository } from "../../git/repository.ts";
import { serveHooks, type HookCall, type HookReply } from "./hook-channel.ts";
import type { Push, PushGate, RefUpdate } from "../push-gate.ts";

/** Carries pushes between Git's hooks and the gate. */
export interface Pushes {
  serve(push: IncomingPush): Promise<void>;
}

export interface IncomingPush {
  readonly channel: Duplex;
  readonly identity: Identity;
  readonly name: RepositoryName;
  /** Git has ended, whether or not its hooks have. */
  readonly ended: Promise<void>;
  /** Called once the refs have changed. */
  readonly onStored: () => void;
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

const maxUpdates = 5_000;
// A push leaves a handful of single objects; Git tidies up when there are thousands.
const pushesPerTidying = 100;

export function makePushes({ git, gate, log, clock, signal }: PushesOptions): Pushes {
  const tidyNowAndThen = makeTidying({ git, log, signal });

  async function check(start: PushStart, { updates, env }: HookCall, reply: HookReply): Promise<boolean> {
    if (updates.length > maxUpdates) {
      reply.line(`waybill: the push changes ${updates.length} refs; at most ${maxUpdates} are taken at once`);
      return false;
    }
    const refsBefore = await start.refsBefore;
    const head = headFor(refsBefore, updates);
    if (head !== refsBefore.head) await git.setHead(start.repository, head);
    await using quarantine = disposable(await git.openQuarantine(start.repository, env));
    const objects: Repository = { ...quarantine.repository, refs: async () => ({ ...refsBefore, head }) };
    const { accept, lines } = await gate.check({ ...pushOf(start), updates, objects });
    for (const line of lines) reply.line(line);
    return accept;
  }

  async function follow(start: PushStart, updates: readonly RefUpdate[], reply: HookReply | null): Promise<void> {
    const push = await storedPush(git, start, updates);
    // Iterated to its end even when the pusher is gone: the deploy is not theirs to stop by closing a terminal.
    for await (const line of gate.follow(push, signal)) reply?.line(line);
  }

  /** Refs that changed although Git ended before its last hook: they are followed all the same. */
  async function followSilently(start: PushStart, accepted: readonly RefUpdate[]): Promise<void> {
    // The next start looks at every repository.
    const changed = signal.aborted ? [] : await changedRefs(git, start.repository, accepted);
    if (changed.length > 0) await follow(start, changed, null);
  }

  return {
    async serve({ channel, identity, name, ended, onStored }) {
      const refsBefore = git.open(name).then((repository) => repository.refs());
      // A failure is the check's to report, if there ever is one.
      refsBefore.catch(() => undefined);
      const start: PushStart = { id: randomUUID(), repository: name, identity, refsBefore };
      const startedAt = clock.now().getTime();
      let unfollowed: readonly RefUpdate[] = [];

      async function answer(call: HookCall, reply: HookReply): Promise<void> {
        const isCheck = call.hook === "pre-receive";
        try {
          if (!isCheck) {
            unfollowed = [];
            onStored();
            await follow(start, call.updates, reply);
            return reply.end(0);
          }
          const accepted = await check(start, call, reply);
          if (accepted) unfollowed = call.updates;
          reply.end(accepted ? 0 : 1);
        } catch (thrown) {
          reply.line(explain(thrown, isCheck));
          reply.end(1);
          log.error({ push: start.id, repository: name, hook: call.hook, error: messageOf(thrown) }, "push failed");
        }
      }

      await serveHooks(channel, answer);
      await ended;
      await followSilently(start, unfollowed).catch((thrown: unknown) =>
        log.error({ push: start.id, repository: name, error: messageOf(thrown) }, "following a push failed"),
      );
      const durationMs = clock.now().getTime() - startedAt;
      log.info({ push: start.id, repository: name, actor: identity.name, durationMs }, "push served");
      await tidyNowAndThen(name);
    },
  };
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

function explain(thrown: unknown, isCheck: boolean): string {
  const error = asWaybillError(thrown);
  const reason = error.verdict === "bug" ? "a defect in the server; its log says more" : error.message;
  return `waybill: ${reason}${isCheck ? ". Nothing was changed." : ""}`;
}
