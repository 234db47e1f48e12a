import type { Clock } from "../core/clock.ts";
import { WaybillError } from "../core/errors.ts";
import type { Feed } from "../core/feed.ts";
import { commitSha, isSha, repositoryName, treeSha } from "../core/names.ts";
import { connect, type RemoteKeys } from "./connect.ts";
import { makeOperators } from "./operate.ts";
import { stackKey, type StackName } from "../core/stack.ts";
import type { Git } from "../git/git.ts";
import { makeActs } from "./acts.ts";
import { refuseProblems, type Definitions } from "./define/definitions.ts";
import { fold } from "./snapshots/fold.ts";
import { hostProblems } from "./define/hosts.ts";
import type { Notices } from "./define/notices.ts";
import type { Previews } from "./define/previews.ts";
import { planChanges, reasonToWait, type Plan } from "./plan.ts";
import type { EnvironmentRef, PlanRequest, Release, ReleaseEvent } from "./release.ts";
import { presentOf } from "./snapshots/history.ts";
import type { SecretVersions, Settler } from "./snapshots/settle.ts";
import { deploymentView, environmentView, snapshotViews } from "./show.ts";
import type { Override, ReleaseStore } from "./store.ts";
import type { Watcher } from "./snapshots/watch.ts";

interface ReleaseParts {
  readonly git: Git;
  readonly store: ReleaseStore;
  readonly definitions: Definitions;
  readonly settler: Settler;
  readonly watcher: Watcher;
  readonly secrets: SecretVersions;
  readonly events: Feed<ReleaseEvent>;
  readonly clock: Clock;
  readonly notices: Notices;
  readonly previews: Previews;
  readonly remoteKeys: RemoteKeys;
}

const defaultHistoryLength = 50;

export function makeRelease(parts: ReleaseParts): Release {
  const { store, watcher, secrets, events, definitions } = parts;
  const acts = makeActs({ store, watcher, secrets, definitions });

  async function environmentOf(ref: EnvironmentRef) {
    const rows = await store.environments(ref.repository);
    const row = rows.find(({ environment }) => environment === ref.environment);
    if (!row) throw new WaybillError("NOT_FOUND", `${ref.repository} has no environment ${ref.environment}`);
    return environmentView(row, await store.snapshots(ref), await store.drifts(ref));
  }

  const operate = makeOperators(parts);

  return {
    repositories: () => store.repositories(),
    connect: (request) => connect(parts, request),
    environments: (repository) => environmentsOf(store, repository),
    async deployments({ name, ...filter } = {}) {
      const rows = await store.deployments({ ...filter, ...(name === undefined ? {} : { deployment: name }) });
      const pauses = await pausesOf(
        store,
        rows.map(({ stack }) => stack),
      );
      const [drifts, jobs] = await Promise.all([store.drifts(filter), store.deployJobs(filter)]);
      return rows.map((row) => deploymentView(row, pauses.get(stackKey(row.stack)) ?? null, { drifts, jobs }));
    },
    async spec(stack) {
      const row = await store.deployment(stack);
      if (!row?.workload) throw new WaybillError("NOT_FOUND", `there is no deployment ${stackKey(stack)}`);
      return { ...row.workload.spec };
    },
    file: (stack) => fileOf(parts, stack),
    history: async (ref, page) => snapshotViews(await store.snapshots(ref), { limit: defaultHistoryLength, ...page }),
    plan: (request) => planOf(parts, request),
    async rollback(request) {
      const { tag } = await acts.rollback(request);
      const rows = await store.snapshots(request);
      const made = rows.find((row) => row.tag === tag);
      const [view] = made ? snapshotViews(rows, { before: made.number + 1, limit: 1 }) : [];
      if (!view) throw new WaybillError("BUG", `${tag} was made and is not recorded`);
      return view;
    },
    async hold(request) {
      await acts.hold(request);
      return environmentOf(request);
    },
    async release(request) {
      await acts.release(request);
      return environmentOf(request);
    },
    ...operate,
    rebuild: () => rebuild(parts),
    async secretsChanged({ repository, environment }) {
      const rows = await store.environments(repository);
      const affected = rows.filter((row) => environment === null || row.environment === environment);
      for (const row of affected) await watcher.settle(row);
    },
    events: (signal) => events.follow(signal),
  };
}

async function environmentsOf(store: ReleaseStore, repository?: string) {
  const rows = await store.environments(repository);
  const drifts = await store.drifts(repository === undefined ? {} : { repository });
  return Promise.all(rows.map(async (row) => environmentView(row, await store.snapshots(row), drifts)));
}

async function pausesOf(store: ReleaseStore, stacks: readonly StackName[]) {
  const environments = new Map(stacks.map((stack) => [`${stack.repository}/${stack.environment}`, stack]));
  const pauses = new Map<string, NonNullable<Override["pause"]>>();
  for (const environment of environments.values()) {
    for (const [deployment, { pause }] of await store.overrides(environment)) {
      if (pause) pauses.set(stackKey({ ...environment, deployment }), pause);
    }
  }
  return pauses;
}

async function planOf(parts: ReleaseParts, { repository, environment, files, trees }: PlanRequest): Promise<Plan> {
  const { git, store, definitions, settler } = parts;
  const ref = { repository, environment };
  const name = repositoryName(repository);
  const objects = git.exists(name) ? await git.open(name) : null;
  const defaultBranch = objects ? (await objects.refs()).head : "main";
  const treeOf = (path: string) => {
    const tree = trees[path];
    return tree !== undefined && isSha(tree) ? treeSha(tree) : null;
  };
  const after = definitions.ofFiles(files, treeOf, environment, defaultBranch);
  const folded = fold(presentOf(await store.snapshots(ref)));
  const before = objects
    ? await settler.defined({ ...ref, objects, defaultBranch }, folded)
    : { definitions: new Map(), problems: [] };
  const hosts = await hostProblems(store, ref, after.definitions, before.definitions);
  refuseProblems([...after.problems, ...hosts]);
  const changes = planChanges(before.definitions, after.definitions);
  const waitsFor = folded.hold
    ? `${environment} is on hold: ${folded.hold.reason}`
    : reasonToWait(before.definitions, after.definitions);
  const surroundings = () => settler.readFacts(ref);
  const [asked, noticed] = await Promise.all([
    parts.previews(ref, { definitions: after.definitions, changes, surroundings }),
    parts.notices(ref, after, changes),
  ]);
  refuseProblems(asked.problems);
  const notices = [...noticed, ...asked.notices];
  return { ...ref, changes: asked.changes, notices, waitsFor };
}

async function rebuild({ git, store, watcher }: ReleaseParts) {
  const names = await git.list();
  for (const name of names) await watcher.look(name);
  const [environments, deployments] = await Promise.all([store.environments(), store.deployments()]);
  return { repositories: names.length, environments: environments.length, deployments: deployments.length };
}

async function fileOf({ git, store, definitions }: ReleaseParts, stack: StackName): Promise<string> {
  const row = await store.deployment(stack);
  const name = repositoryName(stack.repository);
  if (row?.workload && git.exists(name)) {
    const objects = await git.open(name);
    const commit = commitSha(row.commit);
    const { deployments } = await definitions.check(objects, commit, (await objects.refs()).head);
    const path = deployments.find((one) => one.name === stack.deployment)?.file;
    const { files } = await objects.readFiles(commit);
    const file = files.find((one) => one.path === path);
    if (file) return Buffer.from(file.bytes).toString("utf8");
  }
  throw new WaybillError("NOT_FOUND", `there is no file of a deployment ${stackKey(stack)}`);
}
