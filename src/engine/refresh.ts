import { throwFailure, summary } from "./apply.ts";
import type { Preview } from "./engine.ts";
import type { ResourceState } from "./state.ts";
import { callContext, type Operation } from "./stack/operation.ts";
import { recover } from "./stack/recovery.ts";
import { structuralDiff } from "./value/diff.ts";
import { isProviderType } from "./value/urn.ts";
import { markedLike, revealedAll } from "./value/value.ts";

/** Asks the providers what is there now. Nothing is changed but the state. */
export async function refreshStack(operation: Operation): Promise<Preview> {
  await recover(operation);
  await Promise.all(
    operation.journal
      .all()
      .map((resource) =>
        operation
          .inSlot(() => refreshResource(operation, resource))
          .catch((error: unknown) => operation.report.fail(resource.urn, error)),
      ),
  );
  await operation.journal.flush();
  throwFailure(operation);
  return summary(operation);
}

async function refreshResource(operation: Operation, resource: ResourceState): Promise<void> {
  const { journal, report, redaction, providers, signal } = operation;
  const { urn, custom, type, id = "", inputs = {}, outputs = {}, provider: reference } = resource;
  if (!custom || isProviderType(type) || reference === undefined) return;
  const provider = await providers.get(reference);
  if (!provider?.read) return;
  signal.throwIfAborted();
  const context = callContext(operation, urn, inputs);
  const read = await provider.read({ ...context, id, inputs: revealedAll(inputs), outputs: revealedAll(outputs) });
  if (read === null) {
    report.step(urn, "delete");
    // It keeps its place, so that what depends on it stays whole, and is created again by the next apply.
    journal.amend(resource, { pendingReplacement: true });
    return;
  }
  const now = markedLike(read.outputs, { ...inputs, ...outputs }, resource.additionalSecretOutputs);
  redaction.learn(now);
  const diff = structuralDiff(revealedAll(outputs), revealedAll(now));
  const isChanged = Object.keys(diff).length > 0;
  report.step(urn, isChanged ? "update" : "same", diff);
  if (isChanged) {
    const newInputs = read.inputs ? { inputs: markedLike(read.inputs, inputs) } : {};
    journal.amend(resource, { ...newInputs, outputs: now });
  }
}
