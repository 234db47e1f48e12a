import { commitSha, type CommitSha } from "../../core/names.ts";
import type { Push, RefUpdate } from "../../intake/push-gate.ts";
import type { RefView } from "../../git/refs.ts";
import { parseTagName } from "../../git/snapshot-tag.ts";
import type { Announce } from "../apply/announce.ts";
import { changedDefinitions } from "../define/definition.ts";
import { formatProblem } from "../../spec/problem.ts";
import type { Definitions } from "../define/definitions.ts";
import { fold } from "../snapshots/fold.ts";
import { hostProblems } from "../define/hosts.ts";
import { planChanges, reasonToWait, type Plan } from "../plan.ts";
import { planLines } from "./plan-lines.ts";
import type { Notices } from "../define/notices.ts";
import type { Previews } from "../define/previews.ts";
import { presentOf } from "../snapshots/history.ts";
import type { Pushers } from "../snapshots/pushers.ts";
import type { Settler } from "../snapshots/settle.ts";
import type { ReleaseStore } from "../store.ts";

export interface Verdict {
  readonly accept: boolean;
  readonly lines: readonly string[];
  /** To be called once every ref of the push is found to be acceptable. */
  readonly onAccept?: () => void;
}

interface CheckParts {
  readonly store: ReleaseStore;
  readonly definitions: Definitions;
  readonly settler: Pick<Settler, "defined" | "readFacts">;
  readonly announce: Announce;
  readonly notices: Notices;
  readonly previews: Previews;
  readonly pushers: Pick<Pushers, "note">;
}

/** Decides about each ref of a push; the push is accepted only as a whole. */
export function makePushCheck(parts: CheckParts): (push: Push) => Promise<Verdict> {
  return async (push) => {
    const refs = await push.objects.refs();
    const defaultBranch = defaultBranchOf(push, refs);
    const verdicts: Verdict[] = [];
    for (const update of push.updates) verdicts.push(await checkUpdate(parts, { push, update, refs, defaultBranch }));
    const accept = verdicts.every((verdict) => verdict.accept);
    if (accept) for (const { onAccept } of verdicts) onAccept?.();
    return { accept, lines: verdicts.flatMap(({ lines }) => lines) };
  };
}

const accepted: Verdict = { accept: true, lines: [] };
const refused = (...lines: readonly string[]): Verdict => ({ accept: false, lines });

/** The repository's own, or, when that is not there yet, the one branch that the push brings. */
function defaultBranchOf({ updates }: Push, { head, branches }: RefView): string {
  if (branches.has(head)) return head;
  const pushed = updates.filter(({ ref, after }) => ref.startsWith("refs/heads/") && after !== null);
  const names = pushed.map(({ ref }) => ref.slice("refs/heads/".length));
  return names.includes(head) ? head : (names[0] ?? head);
}

interface Update {
  readonly push: Push;
  readonly update: RefUpdate;
  /** Before the push. */
  readonly refs: RefView;
  readonly defaultBranch: string;
}

async function checkUpdate(parts: CheckParts, request: Update): Promise<Verdict> {
  const { ref } = request.update;
  if (ref.startsWith("refs/tags/waybill/")) return checkTag(parts, request, ref.slice("refs/tags/".length));
  if (ref.startsWith("refs/heads/")) return checkBranch(parts, request, ref.slice("refs/heads/".length));
  return accepted;
}

async function checkTag(parts: CheckParts, { push, update, defaultBranch }: Update, tag: string): Promise<Verdict> {
  const name = parseTagName(tag);
  if (!name) {
    return refused(`${tag} is no snapshot tag: waybill/ENVIRONMENT/N is wanted, such as waybill/production/8.`);
  }
  const rows = await parts.store.snapshots({ repository: push.repository, environment: name.environment });
  if (update.before !== null && update.after !== null) {
    const next = Math.max(...rows.map(({ number }) => number), name.number) + 1;
    return refused(`${tag} exists: a snapshot never moves. Use the next number, waybill/${name.environment}/${next}.`);
  }
  if (update.after === null) return checkDeletion(rows, tag);
  const highest = Math.max(0, ...rows.map(({ number }) => number));
  const next = `waybill/${name.environment}/${highest + 1}`;
  if (name.number <= highest) {
    return refused(`${tag} is not the next snapshot: numbers are never used again. Use ${next}.`);
  }
  if (name.number > highest + maxNumberGap) {
    return refused(`${tag} leaves more than ${maxNumberGap} numbers out: there would soon be none left. Use ${next}.`);
  }
  const tagged = await push.objects.commitOf(update.after);
  if (!tagged) return refused(`${tag} names no commit: tag a commit.`);
  const ref = { repository: push.repository, environment: name.environment };
  const defined = await parts.definitions.at(push.objects, tagged, name.environment, defaultBranch);
  const problems = [...defined.problems, ...(await hostProblems(parts.store, ref, defined.definitions))];
  if (problems.length > 0) return refused(...problems.map(formatProblem));
  return { ...accepted, onAccept: () => parts.pushers.note(push.repository, tag, push.identity.name) };
}

function checkDeletion(rows: Awaited<ReturnType<ReleaseStore["snapshots"]>>, tag: string): Verdict {
  const present = presentOf(rows);
  const newest = present.at(-1);
  if (!newest || newest.tag === tag) {
    if (present.length > 1) return accepted;
    return refused(`${tag} is the only snapshot: there is nothing to go back to. Delete the files instead.`);
  }
  return refused(`${tag} cannot be deleted: only the newest snapshot, ${newest.tag}, can be taken back.`);
}

async function checkBranch(parts: CheckParts, request: Update, branch: string): Promise<Verdict> {
  const { push, update, refs, defaultBranch } = request;
  if (update.after === null) {
    return { accept: true, lines: [`${branch} is deleted. What it deployed keeps running.`] };
  }
  const head = commitSha(update.after);
  const settingsHead = branch === defaultBranch ? head : refs.branches.get(defaultBranch);
  const checked = await parts.definitions.check(push.objects, head, defaultBranch);
  const settings = settingsHead
    ? (await parts.definitions.check(push.objects, settingsHead, defaultBranch)).settings
    : checked.settings;
  const followers = Object.entries(settings.environments).filter(([, followed]) => followed.branch === branch);
  if (followers.length === 0) {
    const lines = checked.problems.map(formatProblem);
    return { accept: true, lines: [`no environment follows ${branch}: nothing is deployed.`, ...lines] };
  }
  const verdicts: Verdict[] = [];
  for (const [environment] of followers) {
    verdicts.push(await checkEnvironment(parts, { ...request, head, environment }));
  }
  // One file's problem is the same in every environment: say it once.
  const lines = [...new Set(verdicts.flatMap((verdict) => verdict.lines))];
  const onAccept = (): void => verdicts.forEach((verdict) => verdict.onAccept?.());
  return { accept: verdicts.every(({ accept }) => accept), lines, onAccept };
}

// A tag has nine digits for its number, and the next is always above all before it.
const maxNumberGap = 1_000;

interface EnvironmentUpdate extends Update {
  readonly head: CommitSha;
  readonly environment: string;
}

async function checkEnvironment(parts: CheckParts, request: EnvironmentUpdate): Promise<Verdict> {
  const { push, head, environment, defaultBranch } = request;
  const ref = { repository: push.repository, environment };
  const after = await parts.definitions.at(push.objects, head, environment, defaultBranch);
  const place = { ...ref, objects: push.objects, defaultBranch };
  // Wanted by every push but one that is refused or changes nothing. A failure is the announcer's to report.
  const facts = parts.settler.readFacts(ref);
  facts.catch(() => undefined);
  const folded = fold(presentOf(await parts.store.snapshots(ref)));
  const before = await parts.settler.defined(place, folded);
  const waitsFor = folded.hold
    ? `${environment} is on hold (${folded.hold.reason}): waybill release ${environment}`
    : reasonToWait(before.definitions, after.definitions);
  const changed = waitsFor === null ? changedDefinitions(before.definitions, after.definitions) : [];
  const hosts = await hostProblems(parts.store, ref, after.definitions, before.definitions);
  const problems = [...after.problems, ...hosts];
  if (problems.length > 0) return refused(...problems.map(formatProblem));
  const changes = planChanges(before.definitions, after.definitions);
  if (changes.length === 0) return { accept: true, lines: [noDeployments] };
  const { definitions } = after;
  const [asked, noticed] = await Promise.all([
    parts.previews(ref, { definitions, changes, surroundings: () => facts }),
    parts.notices(ref, after, changes),
  ]);
  if (asked.problems.length > 0) return refused(...asked.problems.map(formatProblem));
  const notices = [...noticed, ...asked.notices];
  const plan: Plan = { ...ref, changes: asked.changes, notices, waitsFor };
  return {
    accept: true,
    lines: [`plan for ${environment}:`, ...planLines(plan).map((line) => `  ${line}`)],
    onAccept: () => parts.announce(ref, { changed, facts, files: push.objects, isStored: false }),
  };
}

const noDeployments = "there is no deployments/*.yaml in this commit: nothing is deployed. Start with: waybill init";
