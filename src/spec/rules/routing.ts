import type { ComponentSpec, ServiceFields } from "../deployment.ts";
import type { Path } from "../problem.ts";
import { formatPath } from "../problem.ts";
import type { Drafted, Inspection } from "./draft.ts";
import { didYouMean } from "./nearest.ts";
import { checkWorkload } from "./workload.ts";

/** The rules of services, of their parts and of what leads to them. */
export function checkRouting(inspection: Inspection, derivedName: string): void {
  const { draft, report } = inspection;
  checkReplicas(inspection, draft.replicas, ["replicas"]);
  const components = draft.components ?? {};
  for (const [name, component] of Object.entries(components)) {
    if (component !== undefined) checkComponent(inspection, component, ["components", name]);
  }
  checkMain(inspection);
  const taken = new Set([draft.subdomain ?? derivedName]);
  for (const [index, route] of (draft.routes ?? []).entries()) {
    if (route === null) continue;
    const at = ["routes", index];
    if (route.subdomain !== undefined && taken.has(route.subdomain)) {
      const message = `two routes of this deployment lead from "${route.subdomain}": give one of them another subdomain`;
      report([...at, "subdomain"], "ROUTE_DUPLICATE", message);
    }
    if (route.subdomain !== undefined) taken.add(route.subdomain);
    checkComponentName(inspection, route.component, [...at, "component"]);
  }
}

function checkComponent(inspection: Inspection, component: Drafted<ComponentSpec>, at: Path): void {
  const { draft, report } = inspection;
  checkWorkload(inspection, component, at);
  checkReplicas(inspection, component.replicas, [...at, "replicas"]);
  const hasImage = (component.source ?? draft.source)?.image !== undefined;
  const hasCommand = inspection.isWritten([...at, "command"]) || inspection.isWritten(["command"]);
  if (!hasCommand && !hasImage) {
    report(at, "FIELD_MISSING", `${formatPath(at)} needs "command": add it`);
  }
  if (component.kind !== "worker") return;
  for (const key of ["port", "health"] as const) {
    if (component[key] === undefined) continue;
    report([...at, key], "FIELD_NOT_FOR_KIND", `${key} is for parts that answer requests, not for a worker`, "key");
  }
}

function checkMain(inspection: Inspection): void {
  const { draft, report } = inspection;
  const { components, main } = draft;
  if (components === undefined) {
    if (main !== undefined) report(["main"], "FIELD_CONFLICT", "main names a component, and there are no components");
    return;
  }
  if (main !== undefined) return checkComponentName(inspection, main, ["main"]);
  const names = Object.keys(components);
  if (names.length > 1 && !names.includes("web")) {
    report([], "FIELD_MISSING", 'say which component answers at the deployment\'s name: add "main", or call one "web"');
  } else if (components[names.includes("web") ? "web" : (names[0] ?? "")]?.kind === "worker") {
    report(["components"], "COMPONENT_UNKNOWN", "no component answers requests: is this a worker?");
  }
}

function checkComponentName({ draft, report }: Inspection, name: string | undefined, at: Path): void {
  if (name === undefined) return;
  const components: Drafted<NonNullable<ServiceFields["components"]>> = draft.components ?? {};
  const label = formatPath(at);
  const component = Object.hasOwn(components, name) ? components[name] : undefined;
  if (component === undefined) {
    const hint = didYouMean(name, Object.keys(components));
    report(at, "COMPONENT_UNKNOWN", `${label} "${name}" is not a component of this deployment.${hint}`);
  } else if (component.kind === "worker") {
    report(at, "COMPONENT_UNKNOWN", `${label} "${name}" is a worker, which answers no requests`);
  }
}

export function checkReplicas({ report }: Inspection, replicas: Inspection["draft"]["replicas"], at: Path): void {
  if (replicas === undefined || typeof replicas === "number") return;
  const { min = 1, max = Math.max(min, 1), idleAfter } = replicas;
  if (max < min) {
    const message = `${formatPath([...at, "max"])} ${max} is below min ${min}: raise max or lower min`;
    report([...at, "max"], "REPLICAS_RANGE", message);
  }
  if (idleAfter !== undefined && min !== 0) {
    report([...at, "idleAfter"], "FIELD_CONFLICT", "idleAfter is for what may sleep: add min: 0, or remove it");
  }
}
