import type { Feed } from "../../core/feed.ts";
import { stackKey, type StackName } from "../../core/stack.ts";
import type { Clock } from "../../core/clock.ts";
import type { Push } from "../../intake/push-gate.ts";
import type { Driver, Step } from "../apply/drive.ts";
import type { EnvironmentOutcome } from "../snapshots/environment.ts";
import type { Outcome, Watcher } from "../snapshots/watch.ts";

interface FollowParts {
  readonly watcher: Pick<Watcher, "look">;
  readonly driver: Pick<Driver, "quiet">;
  readonly steps: Feed<Step>;
  readonly clock: Clock;
}

const millisPerSecond = 1000;

/** Makes the accepted push take effect, and tells how it goes until every deployment of it is live or has failed. */
export function makePushFollow(parts: FollowParts) {
  return async function* follow(push: Push, signal: AbortSignal): AsyncIterable<string> {
    const { watcher, driver, steps, clock } = parts;
    const startedAt = clock.now();
    const ended = new AbortController();
    // Listening starts before the look, so that no step is missed.
    const all = steps.follow(AbortSignal.any([signal, ended.signal]));
    const outcome = await watcher.look(push.repository, { actor: push.identity.name, refs: push.refs });
    yield* outcomeLines(outcome);
    const stacks = outcome.environments.filter((one) => isTouched(one, push)).flatMap(({ unsettled }) => unsettled);
    if (stacks.length === 0) {
      ended.abort();
      yield* nothingToDo(outcome);
      return;
    }
    const nameOf = namesFor(stacks);
    void Promise.all(stacks.map((stack) => driver.quiet(stack))).then(() => ended.abort());
    const tally = new Map<string, Step>();
    const watched = new Set(stacks.map(stackKey));
    for await (const step of all) {
      if (!watched.has(stackKey(step.stack))) continue;
      tally.set(stackKey(step.stack), step);
      yield stepLine(step, startedAt, { nameOf, width: Math.max(...stacks.map((stack) => nameOf(stack).length)) });
    }
    yield closingLine([...tally.values()], clock.now().getTime() - startedAt.getTime(), nameOf);
  };
}

/** Whether a push changed a ref of the environment, or made something new there. */
function isTouched({ environment, branch, snapshots }: EnvironmentOutcome, { updates }: Push): boolean {
  if (snapshots.length > 0) return true;
  const isOurs = (ref: string): boolean =>
    ref === `refs/heads/${branch}` || ref.startsWith(`refs/tags/waybill/${environment}/`);
  return updates.some(({ ref }) => isOurs(ref));
}

function* nothingToDo(outcome: Outcome): Generator<string> {
  if (!isAsItShouldBe(outcome)) return;
  const others = outcome.environments.filter(({ unsettled }) => unsettled.length > 0);
  if (others.length === 0) yield "nothing to do: everything is as it should be.";
  else yield `nothing to do; still under way: ${others.map(({ environment }) => environment).join(", ")}`;
}

type NameOf = (stack: StackName) => string;

/** Deployments of several environments may have the same name. */
function namesFor(stacks: readonly StackName[]): NameOf {
  const isOne = new Set(stacks.map(({ environment }) => environment)).size === 1;
  return ({ environment, deployment }) => (isOne ? deployment : `${environment}/${deployment}`);
}

function* outcomeLines({ environments, troubles }: Outcome): Generator<string> {
  for (const trouble of troubles) yield `trouble: ${trouble}`;
  for (const environment of environments) yield* environmentLines(environment);
}

const isAsItShouldBe = ({ environments, troubles }: Outcome): boolean =>
  troubles.length === 0 && environments.every(({ waiting, failing }) => waiting === null && failing.length === 0);

function* environmentLines({ environment, snapshots, waiting, failing }: EnvironmentOutcome): Generator<string> {
  for (const { tag, commit, kind, reverts } of snapshots) {
    const what = kind === "revert" && reverts ? ` (takes back ${reverts}; ${environment} is on hold)` : "";
    yield `snapshot ${tag} on ${commit.slice(0, 7)}${what}`;
  }
  if (waiting && snapshots.length === 0) {
    yield `${waiting.commit.slice(0, 7)} waits for ${environment}: ${waiting.reason}`;
    yield `  to let it go: waybill release ${environment}`;
  }
  if (failing.length > 0) {
    const names = failing.map(({ deployment }) => deployment).join(", ");
    yield `failed before and unchanged since in ${environment}: ${names} (waybill status says why)`;
  }
}

/** The further lines of a reason stand under the step's name. */
const continuation = `\n${" ".repeat("  0.0 s  ".length)}`;

function stepLine(
  { stack, state, message, url, at }: Step,
  startedAt: Date,
  { nameOf, width }: { readonly nameOf: NameOf; readonly width: number },
): string {
  const seconds = ((at.getTime() - startedAt.getTime()) / millisPerSecond).toFixed(1).padStart(5);
  const text = message === state ? state : `${state}: ${message}`;
  return `${seconds} s  ${nameOf(stack).padEnd(width)}  ${text.replaceAll("\n", continuation)}${url ? `  ${url}` : ""}`;
}

function closingLine(last: readonly Step[], tookMs: number, nameOf: NameOf): string {
  const seconds = (tookMs / millisPerSecond).toFixed(1);
  const failed = last.filter(({ state }) => state === "failed" || state === "waiting");
  if (failed.length === 0) return `done in ${seconds} s`;
  const names = failed.map(({ stack }) => nameOf(stack)).join(", ");
  return `${failed.length} of ${last.length} not live after ${seconds} s: ${names}`;
}
