import { rmSync } from "node:fs";
import { WaybillError } from "../../core/errors.ts";
import type { StackName } from "../../core/stack.ts";
import type { OperationOptions } from "../engine.ts";
import { openOperation } from "../opening.ts";
import { recover } from "../stack/recovery.ts";
import { scopeOf, type PendingOperation, type StateStore, type UntypedDeployment } from "../state.ts";
import { readInterrupted, type BookParts, type Interrupted } from "./effect-book.ts";
import { isProvenDead, thisMachine } from "./process/lock.ts";
import type { CliParts } from "./parts.ts";

export const bookOf = ({ commands, secrets }: CliParts, stack: StackName): BookParts => ({
  file: commands.folder(stack).bookFile,
  scope: scopeOf(stack),
  secrets,
});

/**
 * After an operation that broke off: finds out what became of the effects that nobody knows the outcome of, by the
 * same means as the engine in this process, and gives the CLI a state that says so. Nothing to do costs nothing.
 */
export async function repair(parts: CliParts, stack: StackName, options: OperationOptions): Promise<void> {
  const book = bookOf(parts, stack);
  const interrupted = readInterrupted(book);
  if (interrupted === null) return;
  requireEnded(stack, interrupted);
  const exported = await parts.commands.export(stack, { showSecrets: true });
  if (exported !== null) await repairState(parts, stack, { exported, interrupted, options });
  rmSync(book.file, { force: true });
}

const stillRunningRetryMs = 1000;

/** A server that was killed leaves its CLI, which ends by itself and may still be storing what it did. */
function requireEnded(stack: StackName, { process }: Interrupted): void {
  if (process === null) return;
  if (isProvenDead({ ...process, host: thisMachine.host, url: "", user: "" }, thisMachine)) return;
  throw new WaybillError(
    "STACK_LOCKED",
    `the Pulumi CLI of an earlier operation on ${scopeOf(stack)} is still running (process ${process.pid}); waiting for it to end`,
    { retryAfterMs: stillRunningRetryMs },
  );
}

interface Found {
  readonly exported: UntypedDeployment;
  readonly interrupted: Interrupted;
  readonly options: OperationOptions;
}

async function repairState(parts: CliParts, stack: StackName, found: Found): Promise<void> {
  const { exported, interrupted, options } = found;
  const state = withPending(exported, interrupted);
  if ((state.deployment.pending_operations ?? []).length === 0) return;
  let repaired: UntypedDeployment | null = null;
  const store: StateStore = {
    load: async () => ({ serial: 0, state }),
    save: async (_, saved) => {
      repaired = saved.state;
    },
    remove: async () => undefined,
    list: async () => [],
  };
  const dependencies = { ...parts, state: store, secrets: null };
  const operation = await openOperation(dependencies, { stack, options, isPreview: false });
  await recover(operation);
  await operation.journal.flush();
  if (repaired !== null) await parts.commands.import(stack, asOf(parts.clock.now(), repaired, found));
}

/** The state with every effect pending of which the outcome is not known: those it says itself, and those of the book. */
function withPending(exported: UntypedDeployment, { createKey, creations }: Interrupted): UntypedDeployment {
  const { resources = [], pending_operations: stored = [] } = exported.deployment;
  const known: readonly string[] = ["creating", "updating", "deleting"];
  const own = stored
    .filter(({ type }) => known.includes(type))
    .map((pending) => (pending.type === "creating" ? keyed(pending, createKey) : pending));
  const missing = creations
    .filter(({ urn }) => !own.some(({ type, resource }) => type === "creating" && resource.urn === urn))
    .filter(({ urn, id }) => id === undefined || !resources.some((each) => each.urn === urn && each.id === id))
    .map(({ urn, type, provider, inputs }): PendingOperation => {
      const resource = { urn, custom: true, type, inputs, provider, created: createKey };
      return { type: "creating", resource };
    });
  return { ...exported, deployment: { ...exported.deployment, pending_operations: [...own, ...missing] } };
}

/** A creation is made again under the same operation id, which comes of this key. */
const keyed = (pending: PendingOperation, createKey: string): PendingOperation => ({
  ...pending,
  resource: { ...pending.resource, created: createKey },
});

function asOf(now: Date, { deployment }: UntypedDeployment, { exported, interrupted }: Found): UntypedDeployment {
  const time = now.toISOString();
  const resources = (deployment.resources ?? []).map((resource) =>
    resource.created === interrupted.createKey ? { ...resource, created: time, modified: time } : resource,
  );
  return { ...exported, deployment: { ...exported.deployment, resources, pending_operations: [] } };
}
