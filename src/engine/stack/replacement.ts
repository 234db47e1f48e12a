import type { Properties } from "../provider.ts";
import type { ResourceState } from "../state.ts";
import { revealedAll, unknownValue } from "../value/value.ts";
import { callContext, type Operation } from "./operation.ts";
import { deleteResource } from "./removal.ts";
import { protectedError } from "./step-plan.ts";

/**
 * Makes room for a replacement: first whatever would itself have to be replaced when this resource's outputs change,
 * then the resource. All stay in the state as `pendingReplacement` until the program declares them again.
 */
export async function removeForReplacement(operation: Operation, step: { readonly urn: string }): Promise<void> {
  const { journal, isPreview } = operation;
  const doomed = await doomedWith(operation, step.urn);
  const isProtected = doomed.find(({ protect }) => protect === true);
  if (isProtected) throw protectedError(isProtected.urn, "deleted to make room for a replacement");
  for (const resource of doomed.toReversed()) {
    if (isPreview) journal.amend(resource, gone);
    else await deleteResource(operation, resource, { op: "delete-replaced", leaves: gone });
  }
}

const gone = { pendingReplacement: true } as const;

/** The resource and, after it, its dependents that cannot live on when its outputs change. */
async function doomedWith(operation: Operation, urn: string): Promise<readonly ResourceState[]> {
  const doomed: ResourceState[] = [];
  const urns = new Set<string>();
  for (const resource of operation.journal.remaining()) {
    if (resource.delete === true || resource.pendingReplacement === true) continue;
    if (resource.urn !== urn && !(await mustFollow(operation, resource, urns))) continue;
    doomed.push(resource);
    urns.add(resource.urn);
  }
  return doomed;
}

async function mustFollow(operation: Operation, resource: ResourceState, gone: ReadonlySet<string>): Promise<boolean> {
  const affected = Object.entries(resource.propertyDependencies ?? {}).flatMap(([key, urns]) =>
    urns?.some((urn) => gone.has(urn)) ? [key] : [],
  );
  if (!resource.custom || resource.provider === undefined || affected.length === 0) return false;
  const provider = await operation.providers.get(resource.provider);
  if (!provider?.diff) return false;
  const oldInputs = revealedAll(resource.inputs ?? {});
  const newInputs: Properties = { ...oldInputs, ...Object.fromEntries(affected.map((key) => [key, unknownValue])) };
  const { replaces = [] } = await provider.diff({
    ...callContext(operation, resource.urn, resource.inputs ?? {}),
    id: resource.id ?? "",
    oldInputs,
    oldOutputs: revealedAll(resource.outputs ?? {}),
    newInputs,
    ignoreChanges: [],
  });
  return replaces.length > 0;
}
