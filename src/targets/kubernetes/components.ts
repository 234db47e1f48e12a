import type { DeploymentName } from "../../core/names.ts";
import type { ResolvedComponent, ResolvedService } from "../../spec/resolved.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";
import type { Workload } from "../workload.ts";

type Running = WorkloadOf<"service" | "worker">;

export const hasComponents = (spec: Workload["spec"]): spec is ResolvedService & { readonly main: string } =>
  spec.kind === "service" && spec.main !== null;

/** A reason with the component that it is about; null where the deployment is of a single part. */
export const ofComponent = (component: string | null, reason: string): string =>
  component === null || reason === "" ? reason : `component ${component}: ${reason}`;

/** The components of a deployment, each as a workload of its own whose name is the component's. */
export function componentsOf(workload: Workload & { readonly spec: ResolvedService }): ReadonlyMap<string, Running> {
  const { spec } = workload;
  return new Map(Object.entries(spec.components).map(([name, part]) => [name, componentOf(workload, name, part)]));
}

function componentOf(
  workload: Workload & { readonly spec: ResolvedService },
  name: string,
  part: ResolvedComponent,
): Running {
  const { spec, sources = {}, secrets, ...rest } = workload;
  const { environment, description, tags, state, rollout, access, routes } = spec;
  // Checked like one: it stands in host names.
  const common = { name: name as DeploymentName, environment, description, tags, state, rollout };
  const names = new Set(part.secrets.filter(({ key }) => key === undefined).map((use) => use.name));
  const own = {
    ...rest,
    source: sources[name] ?? null,
    secrets: secrets.filter((use) => names.has(use.name)),
  };
  if (part.kind === "worker") return { ...own, spec: { ...common, ...part } };
  const led = routes.filter(({ component }) => component === name);
  return { ...own, spec: { ...common, ...part, access, routes: led, components: {}, main: null } };
}
