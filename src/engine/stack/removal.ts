import type { PendingOperation, ResourceState } from "../state.ts";
import type { StepOp } from "../step.ts";
import { isDefaultProvider, isProviderType } from "../value/urn.ts";
import { revealedAll } from "../value/value.ts";
import { effectContext, narrated, type Operation } from "./operation.ts";
import { protectedError } from "./step-plan.ts";

/**
 * Deletes what the program no longer declares and what was replaced, dependents first, independent ones side by side.
 * A failure keeps what the failed one depends on. A protected one among them fails the apply before anything is
 * deleted.
 */
export async function removeRest(operation: Operation): Promise<void> {
  const candidates = operation.journal.remaining();
  for (const { urn, protect, delete: isReplaced } of candidates) {
    if (protect === true && isReplaced !== true) operation.report.fail(urn, protectedError(urn, "deleted"));
  }
  if (operation.report.hasFailures()) return;
  const removals: Promise<boolean>[] = candidates.map(() => Promise.resolve(true));
  // Backwards: what depends on a resource stands after it, so its dependents' removals are under way already.
  for (const [index, resource] of [...candidates.entries()].toReversed()) {
    const dependents = removals.filter((_, at) => at > index && isDependent(candidates[at], resource));
    removals[index] = removeAfter(operation, resource, dependents);
  }
  await Promise.all(removals);
}

async function removeAfter(
  operation: Operation,
  resource: ResourceState,
  dependents: readonly Promise<boolean>[],
): Promise<boolean> {
  const areGone = await Promise.all(dependents);
  if (!areGone.every(Boolean)) return false;
  try {
    await operation.inSlot(() => remove(operation, resource));
    return true;
  } catch (error) {
    operation.report.fail(resource.urn, error);
    return false;
  }
}

function isDependent(resource: ResourceState | undefined, { urn }: ResourceState): boolean {
  if (!resource) return false;
  return (
    resource.parent === urn ||
    resource.dependencies?.includes(urn) === true ||
    resource.provider?.startsWith(`${urn}::`) === true ||
    Object.values(resource.propertyDependencies ?? {}).some((urns) => urns?.includes(urn))
  );
}

async function remove(operation: Operation, resource: ResourceState): Promise<void> {
  const { journal, report, isPreview, signal } = operation;
  signal.throwIfAborted();
  const isDefault = isProviderType(resource.type) && isDefaultProvider(resource.urn);
  const op: StepOp = resource.delete === true ? "delete-replaced" : "delete";
  if (!isDefault && resource.external !== true && resource.pendingReplacement !== true) {
    report.step(resource.urn, op);
    if (isPreview) report.show(resource.urn, { asked: null, before: resource.outputs ?? {}, after: null });
  }
  if (isPreview || !isReal(operation, resource)) journal.settle(resource, null);
  else await deleteResource(operation, resource, { op, leaves: null });
}

/** True when something outside of the state has to go. */
function isReal(operation: Operation, resource: ResourceState): boolean {
  const { custom, external, retainOnDelete, pendingReplacement, type, id, urn } = resource;
  if (!custom || external === true || retainOnDelete === true || pendingReplacement === true) return false;
  if (isProviderType(type)) return false;
  // An idempotent create may have answered the very thing that it was to replace.
  const isStillInUse =
    resource.delete === true &&
    operation.journal.all().some((other) => other !== resource && other.urn === urn && other.id === id);
  return !isStillInUse;
}

interface Deletion {
  readonly op: StepOp;
  /** How the resource stands in the state afterwards; null: not at all. */
  readonly leaves: Partial<ResourceState> | null;
}

/** Deletes one real resource. Left in the state with its pending operation when the outcome is not known. */
export async function deleteResource(
  operation: Operation,
  resource: ResourceState,
  { op, leaves }: Deletion,
): Promise<void> {
  const { journal, signal } = operation;
  const { urn, id = "", inputs = {}, outputs = {}, provider: reference = "" } = resource;
  const provider = await operation.providers.get(reference);
  if (!provider) return;
  signal.throwIfAborted();
  const pending: PendingOperation = { resource, type: "deleting" };
  await journal.begin(pending);
  const timeoutSeconds = resource.customTimeouts?.delete;
  // Under an alias the URN already has the new type; what is deleted is of the old one.
  const { type } = resource;
  const context = { ...effectContext(operation, { urn, inputs, key: `delete ${id}`, timeoutSeconds }), type };
  try {
    await narrated(operation, { urn, op }, () =>
      provider.delete({ ...context, id, inputs: revealedAll(inputs), outputs: revealedAll(outputs) }),
    );
  } catch (error) {
    // Cancelled in between it may be going: the next apply goes through with it before it relies on the resource.
    if (!signal.aborted) journal.end(pending, () => undefined);
    throw error;
  }
  journal.end(pending, () => {
    if (leaves === null) journal.settle(resource, null);
    else journal.amend(resource, leaves);
  });
}
