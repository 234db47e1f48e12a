import { randomUUID } from "node:crypto";
import type { Properties } from "../provider.ts";
import type { ResourceState } from "../state.ts";
import type { StepOp } from "../step.ts";
import { structuralDiff } from "../value/diff.ts";
import { containsUnknown, revealedAll, unknownValue } from "../value/value.ts";
import type { Operation } from "./operation.ts";
import type { Registered, Registration } from "./registration.ts";

// Components and provider resources exist in the state alone: to declare one is all there is to it.

export function registerComponent(
  operation: Operation,
  urn: string,
  registration: Registration,
  old: ResourceState | null,
): Registered {
  const outputs = old?.outputs ?? {};
  settle(operation, { urn, registration, old, own: { custom: false, outputs } });
  return { outcome: "done", urn, id: "", outputs: {} };
}

/** An explicit provider. Its id stays, so that what was made through it need not be replaced. */
export function registerProvider(
  operation: Operation,
  urn: string,
  registration: Registration,
  old: ResourceState | null,
): Registered {
  const inputs = { ...ofTheCli(old?.inputs ?? {}), ...registration.inputs };
  const isKnown = !operation.isPreview || !containsUnknown(inputs);
  const id = old?.id ?? (isKnown ? randomUUID() : unknownValue);
  const own = { custom: true, id, outputs: inputs };
  settle(operation, { urn, registration: { ...registration, inputs }, old, own });
  operation.providers.changed(`${urn}::${id}`);
  return { outcome: "done", urn, id: isKnown ? id : "", outputs: inputs };
}

/** What the CLI adds to a provider's inputs stays: a stack that was under it for a while is no other stack. */
const ofTheCli = (inputs: Properties): Properties =>
  Object.fromEntries(Object.entries(inputs).filter(([key]) => key === "version" || key === "__internal"));

interface Local {
  readonly urn: string;
  readonly registration: Registration;
  readonly old: ResourceState | null;
  readonly own: Pick<ResourceState, "custom" | "id" | "outputs">;
}

function settle({ journal, report, clock }: Operation, { urn, registration, old, own }: Local): void {
  const { parent, inputs, dependencies, protect, type } = registration;
  const diff = structuralDiff(revealedAll(old?.inputs ?? {}), revealedAll(inputs));
  const isChanged = Object.keys(diff).length > 0;
  const op: StepOp = old === null ? "create" : isChanged ? "update" : "same";
  const time = clock.now().toISOString();
  const modified = op === "same" ? old?.modified : time;
  report.step(urn, op, old === null ? {} : diff);
  journal.settle(old, {
    urn,
    type,
    ...own,
    ...((Object.keys(inputs).length > 0 || old?.inputs) && { inputs }),
    ...(parent !== "" && { parent }),
    ...(protect && { protect: true }),
    ...(dependencies.length > 0 && { dependencies }),
    created: old?.created ?? time,
    ...(modified !== undefined && { modified }),
  });
}
