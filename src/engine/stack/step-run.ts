import { messageOf, WaybillError } from "../../core/errors.ts";
import { PartialCreate, type Properties, type Provider } from "../provider.ts";
import type { PendingOperation, ResourceState } from "../state.ts";
import { withIgnored } from "../value/diff.ts";
import { packageOf } from "../value/urn.ts";
import {
  asSecret,
  containsUnknown,
  isEqual,
  mapValues,
  markedLike,
  revealedAll,
  unknownValue,
} from "../value/value.ts";
import type { Journal } from "../record/journal.ts";
import { callContext, effectContext, narrated, type Operation } from "./operation.ts";
import type { Registered, Registration } from "./registration.ts";
import { removeForReplacement } from "./replacement.ts";
import { planStep, type StepPlan } from "./step-plan.ts";

/** A custom resource on its way: everything that planning it and carrying the plan out need. */
interface Declared {
  readonly urn: string;
  readonly registration: Registration;
  readonly old: ResourceState | null;
  readonly provider: Provider | null;
  readonly providerReference: string;
  readonly inputs: Properties;
}

/** Plans one custom resource and makes it so. Throws what went wrong; the journal then says what is there. */
export async function runStep(
  operation: Operation,
  urn: string,
  registration: Registration,
  found: ResourceState | null,
): Promise<Registered> {
  const { report } = operation;
  const { type, version } = registration;
  // One that was only read is not ours to compare with: the one declared now is a new one.
  const old = found?.external === true ? dropped(operation, found) : found;
  const providerReference = registration.provider || operation.providers.defaultReference(packageOf(type), version);
  const provider = await operation.providers.get(providerReference);
  const inputs = await check(operation, { urn, registration, old, provider });
  const declared: Declared = { urn, registration, old, provider, providerReference, inputs };
  const plan = await plannedStep(operation, declared);
  report.step(urn, plan.op, "detailedDiff" in plan ? plan.detailedDiff : {});
  return carryOut(operation, declared, plan);
}

async function carryOut(operation: Operation, declared: Declared, plan: StepPlan): Promise<Registered> {
  if (plan.op === "create") return create(operation, declared, null);
  if (plan.op === "same") return keep(operation, declared);
  if (plan.op === "update") return update(operation, declared, plan);
  if (plan.deleteBeforeReplace) await removeForReplacement(operation, declared);
  return create(operation, declared, operation.journal.find(declared.urn) ?? null);
}

function dropped(operation: Operation, resource: ResourceState): null {
  operation.journal.settle(resource, null);
  return null;
}

type Unchecked = Pick<Declared, "urn" | "registration" | "old" | "provider">;

async function check(operation: Operation, { urn, registration, old, provider }: Unchecked): Promise<Properties> {
  const inputs = old
    ? withIgnored(old.inputs ?? {}, registration.inputs, registration.ignoreChanges)
    : registration.inputs;
  if (!provider?.check) return inputs;
  const checked = await provider.check({
    ...callContext(operation, urn, inputs),
    oldInputs: old?.inputs ? revealedAll(old.inputs) : null,
    newInputs: revealedAll(inputs),
  });
  const failures = checked.failures ?? [];
  if (failures.length > 0) {
    const reasons = failures.map(({ property, reason }) => `${property}: ${reason}`).join("; ");
    throw new WaybillError("RESOURCE_INVALID", reasons);
  }
  return markedLike(checked.inputs, inputs);
}

async function plannedStep(operation: Operation, declared: Declared): Promise<StepPlan> {
  const { urn, registration, old, provider, inputs, providerReference } = declared;
  if (old === null) return { op: "create" };
  const providerDiff =
    provider?.diff && old.pendingReplacement !== true
      ? await provider.diff({
          ...callContext(operation, urn, inputs),
          id: old.id ?? "",
          oldInputs: revealedAll(old.inputs ?? {}),
          oldOutputs: revealedAll(old.outputs ?? {}),
          newInputs: revealedAll(inputs),
          ignoreChanges: registration.ignoreChanges,
        })
      : null;
  return planStep({ registration, old, newInputs: inputs, providerDiff, providerReference });
}

function keep(operation: Operation, declared: Declared): Registered {
  const { urn, registration, old } = declared;
  const outputs = withSecrets(old?.outputs ?? {}, registration.additionalSecretOutputs);
  const id = old?.id ?? "";
  operation.journal.settle(old, { ...described(declared, old), id, outputs });
  return { outcome: "done", urn, id, outputs };
}

function withSecrets(outputs: Properties, names: readonly string[]): Properties {
  if (names.length === 0) return outputs;
  return mapValues(outputs, (value, key) => (names.includes(key) ? asSecret(value) : value));
}

/** Create-before-delete: `replaced` stays as it is until the new one is there, and is then marked for deletion. */
async function create(operation: Operation, declared: Declared, replaced: ResourceState | null): Promise<Registered> {
  const { journal, isPreview } = operation;
  const { urn, inputs, registration } = declared;
  if (isPreview) return previewCreate(operation, declared, replaced);
  const time = operation.clock.now().toISOString();
  const goal: ResourceState = { ...described(declared, null), created: time, modified: time };
  const pending: PendingOperation = { resource: goal, type: "creating" };
  await beginEffect(operation, pending);
  const context = effectContext(operation, { urn, inputs, key: time, timeoutSeconds: registration.timeouts.create });
  const op = replaced === null ? "create" : "replace";
  try {
    const provider = providerOf(declared);
    const made = await narrated(operation, { urn, op }, () =>
      provider.create({ ...context, inputs: revealedAll(inputs), preview: false }),
    );
    const state = withOutputs(operation, declared, { ...goal, id: made.id }, made.outputs);
    journal.end(pending, () => {
      settleReplaced(journal, replaced);
      journal.settle(null, state);
    });
    return { outcome: "done", urn, id: made.id, outputs: state.outputs ?? {} };
  } catch (error) {
    journal.end(pending, () => {
      if (!(error instanceof PartialCreate)) return;
      settleReplaced(journal, replaced);
      journal.settle(null, partial(operation, declared, goal, error));
    });
    throw error;
  }
}

function settleReplaced(journal: Journal, replaced: ResourceState | null): void {
  if (replaced === null) return;
  if (replaced.pendingReplacement === true) journal.settle(replaced, null);
  else journal.amend(replaced, { delete: true });
}

async function update(
  operation: Operation,
  declared: Declared,
  plan: StepPlan & { op: "update" },
): Promise<Registered> {
  const { journal, isPreview } = operation;
  const { urn, inputs, registration, old } = declared;
  if (old === null) throw new WaybillError("BUG", `${urn} is to be updated and does not exist`);
  if (isPreview) return previewUpdate(operation, declared, plan);
  const time = operation.clock.now().toISOString();
  const id = old.id ?? "";
  const goal: ResourceState = { ...described(declared, old), id, modified: time };
  const pending: PendingOperation = { resource: goal, type: "updating" };
  const provider = providerOf(declared);
  operation.signal.throwIfAborted();
  await (provider.rewrites?.(registration.type) === true ? journal.join(pending) : journal.begin(pending));
  const context = effectContext(operation, { urn, inputs, key: time, timeoutSeconds: registration.timeouts.update });
  try {
    const { outputs } = await narrated(operation, { urn, op: "update" }, () =>
      provider.update({
        ...context,
        id,
        oldInputs: revealedAll(old.inputs ?? {}),
        oldOutputs: revealedAll(old.outputs ?? {}),
        newInputs: revealedAll(inputs),
        ignoreChanges: registration.ignoreChanges,
        preview: false,
      }),
    );
    const state = withOutputs(operation, declared, goal, outputs);
    journal.end(pending, () => journal.settle(old, state));
    return { outcome: "done", urn, id, outputs: state.outputs ?? {} };
  } catch (error) {
    // Part of the update may have happened: the next apply must not take the old inputs for what is there.
    const reason = operation.redaction.clean(messageOf(error));
    journal.end(pending, () => {
      if (error instanceof PartialCreate) journal.settle(old, partial(operation, declared, goal, error));
      else journal.amend(old, { initErrors: [reason] });
    });
    throw error;
  }
}

/** Nothing starts once the apply is cancelled; what is to happen is stored before it does. */
async function beginEffect(operation: Operation, pending: PendingOperation): Promise<void> {
  operation.signal.throwIfAborted();
  await operation.journal.begin(pending);
}

function providerOf({ provider, providerReference }: Declared): Provider {
  if (provider) return provider;
  throw new WaybillError("BUG", `the provider ${providerReference} is still not configured when it is needed`);
}

function withOutputs(operation: Operation, declared: Declared, state: ResourceState, plain: Properties): ResourceState {
  const outputs = markedLike(plain, declared.inputs, declared.registration.additionalSecretOutputs);
  operation.redaction.learn(outputs);
  return { ...state, outputs };
}

function partial(operation: Operation, declared: Declared, goal: ResourceState, error: PartialCreate): ResourceState {
  const initErrors = error.reasons.map((reason) => operation.redaction.clean(reason));
  return { ...withOutputs(operation, declared, { ...goal, id: error.id }, error.outputs), initErrors };
}

async function previewCreate(
  operation: Operation,
  declared: Declared,
  replaced: ResourceState | null,
): Promise<Registered> {
  const { urn, provider, inputs, registration } = declared;
  const outputs =
    provider?.previews === true && !containsUnknown(inputs)
      ? await provider
          .create({ ...effectContext(operation, previewEffect(declared)), inputs: revealedAll(inputs), preview: true })
          .then((made) => markedLike(made.outputs, inputs, registration.additionalSecretOutputs))
      : inputs;
  operation.report.show(urn, { asked: inputs, before: replaced?.outputs ?? null, after: outputs });
  settleReplaced(operation.journal, replaced);
  operation.journal.settle(null, { ...described(declared, null), id: unknownValue, outputs });
  return { outcome: "done", urn, id: "", outputs };
}

async function previewUpdate(
  operation: Operation,
  declared: Declared,
  plan: StepPlan & { op: "update" },
): Promise<Registered> {
  const { urn, provider, inputs, registration, old } = declared;
  const [id, oldOutputs] = [old?.id ?? "", old?.outputs ?? {}];
  const stable = Object.fromEntries(Object.entries(oldOutputs).filter(([key]) => plan.stables.includes(key)));
  const { outputs, before = oldOutputs } =
    provider?.previews === true && !containsUnknown(inputs)
      ? await provider
          .update({
            ...effectContext(operation, previewEffect(declared)),
            id,
            oldInputs: revealedAll(old?.inputs ?? {}),
            oldOutputs: revealedAll(oldOutputs),
            newInputs: revealedAll(inputs),
            ignoreChanges: registration.ignoreChanges,
            preview: true,
          })
          .then((updated) => ({
            outputs: markedLike(updated.outputs, inputs, registration.additionalSecretOutputs),
            ...(updated.before && { before: markedLike(updated.before, old?.inputs ?? {}) }),
          }))
      : { outputs: { ...stable, ...inputs } };
  operation.report.show(urn, { asked: inputs, before, after: outputs });
  operation.journal.settle(old, { ...described(declared, old), id, outputs });
  return { outcome: "done", urn, id, outputs };
}

const previewEffect = ({ urn, inputs }: Declared) => ({ urn, inputs, key: "preview", timeoutSeconds: undefined });

/** The resource's state but for its id and outputs. Absent fields stay absent: an unchanged resource must be equal. */
function described(declared: Declared, old: ResourceState | null): ResourceState {
  const { urn, registration, inputs, providerReference } = declared;
  const { parent, dependencies, additionalSecretOutputs, timeouts } = registration;
  const ownDependencies = Object.entries(registration.propertyDependencies).filter(([, urns]) => urns.length > 0);
  return {
    urn,
    custom: true,
    type: registration.type,
    inputs,
    ...(parent !== "" && { parent }),
    ...(registration.protect && { protect: true }),
    ...(dependencies.length > 0 && { dependencies: sameOrder(dependencies, old?.dependencies) }),
    provider: providerReference,
    ...(ownDependencies.length > 0 && { propertyDependencies: Object.fromEntries(ownDependencies) }),
    ...(additionalSecretOutputs.length > 0 && { additionalSecretOutputs }),
    ...(Object.keys(timeouts).length > 0 && { customTimeouts: timeouts }),
    ...(registration.retainOnDelete && { retainOnDelete: true }),
    ...(old?.created !== undefined && { created: old.created }),
    ...(old?.modified !== undefined && { modified: old.modified }),
  };
}

/** Dependencies are a set; the order in which the program found them is no change. */
function sameOrder(urns: readonly string[], old: readonly string[] | undefined): readonly string[] {
  return old && isEqual([...urns].sort(), [...old].sort()) ? old : urns;
}
