import { messageOf } from "../../core/errors.ts";
import { PartialCreate, type CreateResult, type Provider } from "../provider.ts";
import type { PendingOperation, ResourceState } from "../state.ts";
import { markedLike, revealedAll } from "../value/value.ts";
import { effectContext, type Operation } from "./operation.ts";
import { deleteResource } from "./removal.ts";

/**
 * Finds out what became of the operations that an earlier apply had begun when it was killed, before anything new is
 * begun. A preview asks nobody and takes them for undone.
 */
export async function recover(operation: Operation): Promise<void> {
  const unfinished = operation.journal.pending();
  if (unfinished.length > 0 && !operation.isPreview) await doubtRewritten(operation);
  for (const pending of unfinished) {
    switch (pending.type) {
      case "creating":
        await recoverCreate(operation, pending);
        break;
      case "updating":
        await recoverUpdate(operation, pending);
        break;
      case "deleting":
        await recoverDelete(operation, pending);
        break;
    }
  }
}

/** Where anything was left unfinished, updates of these may have happened without a note of their own. */
async function doubtRewritten({ journal, providers }: Operation): Promise<void> {
  for (const resource of journal.remaining()) {
    if (resource.provider === undefined || resource.delete === true) continue;
    const provider = await providers.get(resource.provider);
    if (provider?.rewrites?.(resource.type) !== true) continue;
    journal.amend(resource, { initErrors: ["an apply that may have updated it was interrupted"] });
  }
}

const same = (left: ResourceState, right: ResourceState): boolean => left.urn === right.urn && left.id === right.id;

/** Asked for, or made again under the same operation id: either way it becomes part of the stack like any other. */
async function recoverCreate(operation: Operation, pending: PendingOperation): Promise<void> {
  const { journal, isPreview } = operation;
  const { resource } = pending;
  const provider = isPreview ? null : await operation.providers.get(resource.provider ?? "");
  const state = provider && (await foundOrMade(operation, provider, resource));
  journal.end(pending, () => {
    if (!state) return;
    const replaced = journal.find(resource.urn);
    if (replaced) journal.amend(replaced, { delete: true });
    journal.append(state);
  });
}

async function foundOrMade(
  operation: Operation,
  provider: Provider,
  resource: ResourceState,
): Promise<ResourceState | null> {
  const { urn, inputs = {}, created: key = "", additionalSecretOutputs = [] } = resource;
  const context = effectContext(operation, { urn, inputs, key, timeoutSeconds: resource.customTimeouts?.create });
  const as = ({ id, outputs }: CreateResult): ResourceState => ({
    ...resource,
    id,
    outputs: markedLike(outputs, inputs, additionalSecretOutputs),
  });
  const request = { ...context, inputs: revealedAll(inputs) };
  if (provider.find) {
    const found = await provider.find(request);
    // It was made, but not by a call that came back: whether it is as wanted, only an update can say.
    return found && { ...as(found), initErrors: ["the apply that created it was interrupted"] };
  }
  try {
    return as(await provider.create({ ...request, preview: false }));
  } catch (error) {
    if (error instanceof PartialCreate) return { ...as(error), initErrors: error.reasons };
    // By contract nothing was left behind; whether it is still wanted, the program says.
    const message = `the interrupted creation could not be resumed: ${messageOf(error)}`;
    operation.report.emit({ type: "log", severity: "warning", urn, message });
    return null;
  }
}

async function recoverUpdate(operation: Operation, pending: PendingOperation): Promise<void> {
  const { journal } = operation;
  const old = journal.remaining().find((resource) => same(resource, pending.resource));
  const initErrors = ["the apply that updated it was interrupted"];
  journal.end(pending, () => old && journal.amend(old, { initErrors }));
}

async function recoverDelete(operation: Operation, pending: PendingOperation): Promise<void> {
  const { journal, isPreview } = operation;
  const resource = journal.remaining().find((candidate) => same(candidate, pending.resource));
  const leaves = { pendingReplacement: true };
  if (resource && !isPreview) await deleteResource(operation, resource, { op: "delete", leaves });
  journal.end(pending, () => resource && journal.amend(resource, leaves));
}
