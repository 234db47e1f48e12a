import type { Identity } from "../../src/core/identity.ts";
import type { StackName } from "../../src/core/stack.ts";
import type { EnvironmentRef, Release, ReleaseEvent } from "../../src/release/release.ts";
import type { DeploymentView, EnvironmentView, RepositoryView, SnapshotView } from "../../src/release/views.ts";
import { WaybillError } from "../../src/core/errors.ts";
import { Secret } from "../../src/core/secret.ts";

/** What is deployed, in memory: tests change it and say that it changed. */
export interface World {
  repositories: RepositoryView[];
  environments: EnvironmentView[];
  deployments: DeploymentView[];
  /** By `repository/environment`, newest first. */
  snapshots: Record<string, SnapshotView[]>;
}

export interface FakeRelease extends Release {
  readonly world: World;
  /** Acts in the order they came: `pause shop/production/web by anna`. */
  readonly acts: string[];
  emit(event: ReleaseEvent): void;
}

const keyOf = ({ repository, environment }: EnvironmentRef): string => `${repository}/${environment}`;
const now = (): string => new Date().toISOString();

/** A Release that keeps its promises in memory: the same refusals, the same views, no Git and no workloads. */
export function makeFakeRelease(world: World): FakeRelease {
  const acts: string[] = [];
  const listeners = new Set<(event: ReleaseEvent) => void>();
  const emit = (event: ReleaseEvent): void => listeners.forEach((listener) => listener(event));
  const note = (act: string, what: string, actor: Identity): number => acts.push(`${act} ${what} by ${actor.name}`);
  return {
    world,
    acts,
    emit,
    ...reads(world),
    ...environmentActs(world, note, emit),
    ...deploymentActs(world, note, emit),
    async connect({ name, url, actor }) {
      if (world.repositories.some((one) => one.name === name)) {
        throw new WaybillError("CONFLICT", `there is a repository ${name} already`);
      }
      const repository = { name, url, defaultBranch: "main", problem: null };
      world.repositories.push(repository);
      note("connect", name, actor);
      return {
        ...repository,
        wasConnected: false,
        webhook: { path: `/webhooks/github/${name}`, secret: new Secret("signed-with-this"), formerValidUntil: null },
      };
    },
    async rebuild() {
      const { repositories, environments, deployments } = world;
      return { repositories: repositories.length, environments: environments.length, deployments: deployments.length };
    },
    async secretsChanged({ repository, environment }) {
      acts.push(`secrets changed in ${repository}/${environment ?? "*"}`);
    },
    async *events(signal) {
      const queue: ReleaseEvent[] = [];
      let wake = (): void => undefined;
      const listener = (event: ReleaseEvent): void => {
        queue.push(event);
        wake();
      };
      listeners.add(listener);
      try {
        while (!signal.aborted) {
          const event = queue.shift();
          if (event) yield event;
          else
            await new Promise<void>(
              (resolve) => ((wake = resolve), signal.addEventListener("abort", () => resolve(), { once: true })),
            );
        }
      } finally {
        listeners.delete(listener);
      }
    },
  };
}

function reads(
  world: World,
): Pick<Release, "repositories" | "environments" | "deployments" | "spec" | "file" | "history" | "plan"> {
  const environment = (ref: EnvironmentRef): EnvironmentView => findEnvironment(world, ref);
  return {
    repositories: async () => world.repositories,
    environments: async (repository) =>
      world.environments.filter((one) => !repository || one.repository === repository),
    deployments: async (filter = {}) =>
      world.deployments.filter(
        (one) =>
          (!filter.repository || one.repository === filter.repository) &&
          (!filter.environment || one.environment === filter.environment) &&
          (!filter.name || one.name === filter.name),
      ),
    async spec(stack) {
      const { name, kind, description } = findDeployment(world, stack);
      return {
        apiVersion: "waybill/v1",
        name,
        kind,
        description,
        command: "node server.js",
        env: { LOG_LEVEL: "info" },
      };
    },
    async file(stack) {
      const { kind } = findDeployment(world, stack);
      return `apiVersion: waybill/v1\nkind: ${kind}\ncommand: node server.js\n`;
    },
    async history(ref, { before = Number.POSITIVE_INFINITY, limit = 100 } = {}) {
      return (world.snapshots[keyOf(ref)] ?? []).filter(({ number }) => number < before).slice(0, limit);
    },
    async plan({ files, trees, ...ref }) {
      environment(ref);
      const known = world.deployments.filter((one) => keyOf(one) === keyOf(ref)).map(({ name }) => name);
      const changes = files
        .map(({ path }) => /^deployments\/(.+)\.yaml$/.exec(path)?.[1])
        .filter((name) => name !== undefined)
        .map((name) => ({
          name,
          kind: "service" as const,
          action: known.includes(name) ? ("replace" as const) : ("create" as const),
          fields: known.includes(name) ? [{ path: "env.LOG_LEVEL", from: "info", to: "debug" }] : [],
          reasons: known.includes(name) ? ["env.LOG_LEVEL changed"] : ["the file is new"],
        }));
      return { ...ref, changes, notices: Object.keys(trees).map((path) => `tree of ${path}`), waitsFor: null };
    },
  };
}

type Note = (act: string, what: string, actor: Identity) => number;
type Emit = (event: ReleaseEvent) => void;

function environmentActs(world: World, note: Note, emit: Emit): Pick<Release, "rollback" | "hold" | "release"> {
  const change = (ref: EnvironmentRef, to: Partial<EnvironmentView>): EnvironmentView => {
    const changed = { ...findEnvironment(world, ref), ...to };
    world.environments = world.environments.map((one) => (keyOf(one) === keyOf(ref) ? changed : one));
    emit({ type: "environment", ...keyParts(ref), deployment: null });
    return changed;
  };
  return {
    async rollback({ to, only, note: reason, actor, ...ref }) {
      const snapshots = world.snapshots[keyOf(ref)] ?? [];
      const active = snapshots.find((one) => one.active);
      const target = snapshots.find((one) => (to === null ? one.number < (active?.number ?? 0) : one.number === to));
      if (!active || !target)
        throw new WaybillError("NOT_FOUND", `there is no snapshot ${to ?? "before the first"} of ${keyOf(ref)}`);
      const number = Math.max(...snapshots.map((one) => one.number)) + 1;
      const made: SnapshotView = {
        ...target,
        tag: `waybill/${ref.environment}/${number}`,
        number,
        actor: actor.name,
        at: now(),
        reason,
        reverts: active.tag,
        only,
        active: true,
        live: true,
        deleted: false,
        held: false,
      };
      world.snapshots[keyOf(ref)] = [made, ...snapshots.map((one) => ({ ...one, active: false, live: false }))];
      note("rollback", `${keyOf(ref)} to ${target.number}${only === null ? "" : ` only ${only}`}`, actor);
      change(ref, {
        snapshot: made.tag,
        hold: { by: actor.name, reason: reason || `went back to ${target.number}`, since: now() },
      });
      return made;
    },
    async hold({ reason, actor, ...ref }) {
      note("hold", keyOf(ref), actor);
      const { hold } = findEnvironment(world, ref);
      return change(ref, { hold: hold && reason === "" ? hold : { by: actor.name, reason, since: now() } });
    },
    async release({ actor, ...ref }) {
      if (!findEnvironment(world, ref).hold && !findEnvironment(world, ref).waiting) {
        throw new WaybillError("CONFLICT", `${keyOf(ref)} is not on hold`);
      }
      note("release", keyOf(ref), actor);
      return change(ref, { hold: null, waiting: null });
    },
  };
}

const keyParts = ({ repository, environment }: EnvironmentRef): EnvironmentRef => ({ repository, environment });

function deploymentActs(world: World, note: Note, emit: Emit): Pick<Release, "pause" | "resume" | "restart"> {
  const change = (stack: StackName, to: Partial<DeploymentView>): DeploymentView => {
    const changed = { ...findDeployment(world, stack), ...to, updatedAt: now() };
    world.deployments = world.deployments.map((one) =>
      keyOf(one) === keyOf(stack) && one.name === stack.deployment ? changed : one,
    );
    emit({ type: "deployment", ...keyParts(stack), deployment: stack.deployment });
    return changed;
  };
  return {
    async pause({ reason, actor, ...stack }) {
      note("pause", `${keyOf(stack)}/${stack.deployment}`, actor);
      const { pause: before } = findDeployment(world, stack);
      const pause = before && reason === "" ? before : { by: actor.name, reason, at: now() };
      return change(stack, { state: "paused", pause });
    },
    async resume({ actor, ...stack }) {
      note("resume", `${keyOf(stack)}/${stack.deployment}`, actor);
      return change(stack, { state: "ready", pause: null, reason: "" });
    },
    async restart({ actor, ...stack }) {
      note("restart", `${keyOf(stack)}/${stack.deployment}`, actor);
      return change(stack, findDeployment(world, stack).pause ? {} : { state: "starting" });
    },
  };
}

function findEnvironment(world: World, ref: EnvironmentRef): EnvironmentView {
  const found = world.environments.find((one) => keyOf(one) === keyOf(ref));
  if (!found) throw new WaybillError("NOT_FOUND", `there is no environment ${keyOf(ref)}`);
  return found;
}

function findDeployment(world: World, stack: StackName): DeploymentView {
  const found = world.deployments.find((one) => keyOf(one) === keyOf(stack) && one.name === stack.deployment);
  if (!found) throw new WaybillError("NOT_FOUND", `there is no deployment ${keyOf(stack)}/${stack.deployment}`);
  return found;
}
