import type { StackName } from "../../core/stack.ts";
import type { ResolvedDeployment, ResolvedWorkload } from "../../spec/resolved.ts";
import { digestOf, hostsOf, type Definition } from "./definition.ts";
import type { DesiredRow, Override } from "../store.ts";
import type { SecretUse, Workload } from "../workload.ts";

/** What stands outside Git and still makes a revision: secrets by name, and what operators said. */
export interface Surroundings {
  /** Current version of each secret in the environment's reach. */
  readonly secretVersions: ReadonlyMap<string, number>;
  readonly overrides: ReadonlyMap<string, Override>;
}

export const nothingAround: Surroundings = { secretVersions: new Map(), overrides: new Map() };

export type Desired = Omit<DesiredRow, "snapshot" | "commit">;

/** What should run for a definition, and what keeps it from being applied. */
export function desiredOf(stack: StackName, definition: Definition, surroundings: Surroundings): Desired {
  const { spec, source, sources, target, cronJobs } = definition;
  const override = surroundings.overrides.get(stack.deployment);
  const uses = secretUses(spec);
  const missing = uses.filter(({ name }) => !surroundings.secretVersions.has(name)).map(({ name }) => name);
  const secrets = uses.map((use) => ({ ...use, version: surroundings.secretVersions.get(use.name) ?? 0 }));
  const pause = override?.pause ? { by: override.pause.by, reason: override.pause.reason } : null;
  const hosts = hostsOf(spec);
  const workload: Workload = {
    stack,
    spec: pause ? { ...spec, state: "paused" } : spec,
    source,
    ...(sources && { sources }),
    target,
    ...(cronJobs && { cronJobs }),
    secrets,
    host: hosts[0] ?? "",
    restart: override?.restart ?? null,
    pause,
  };
  const desiredDigest = digestOf({ definition: definition.digest, secrets, pause, restart: workload.restart });
  return { stack, workload, desiredDigest, hosts, blocked: blockedBy(spec, missing) };
}

type Unversioned = Omit<SecretUse, "version">;

function secretUses(spec: ResolvedDeployment): readonly Unversioned[] {
  if (spec.kind === "site") return [];
  const components = spec.kind === "service" ? Object.values(spec.components) : [];
  const all = [spec, ...components].flatMap(({ secrets }) => secrets).filter(({ key }) => key === undefined);
  const unique = new Map(all.map((secret) => [JSON.stringify(secret), secret]));
  return [...unique.values()];
}

function blockedBy(spec: ResolvedDeployment, missingSecrets: readonly string[]): string | null {
  const [first] = missingSecrets;
  if (first !== undefined) {
    const names = [...new Set(missingSecrets)].map((name) => JSON.stringify(name)).join(", ");
    return `secret ${names} does not exist: waybill secret set ${first}`;
  }
  if (spec.kind === "site") return null;
  const components = spec.kind === "service" ? Object.values(spec.components) : [];
  return (components.length > 0 ? components : [spec]).map(missingEnv).find((reason) => reason !== null) ?? null;
}

function missingEnv(spec: ResolvedWorkload): string | null {
  const given = new Set([
    ...Object.keys(spec.env),
    ...spec.secrets.flatMap((secret) => ("env" in secret ? [secret.env] : [])),
  ]);
  const absent = spec.requiredEnv.filter((name) => !given.has(name));
  if (absent.length === 0) return null;
  return `${absent.join(", ")} is required and comes from nowhere: add it to env, or a secret with env: ${absent[0]}`;
}
