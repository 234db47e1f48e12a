import { WaybillError } from "../../core/errors.ts";
import type { StackName } from "../../core/stack.ts";
import { requireOwn } from "../engine.ts";
import { decodeCheckpoint, makeEncoder } from "../record/checkpoint.ts";
import { scopeOf, type UntypedDeployment } from "../state.ts";
import { openEffectBook } from "./effect-book.ts";
import type { CliParts } from "./parts.ts";
import { bookOf } from "./repair.ts";

/**
 * Takes over a state that was exported elsewhere. Secrets must be readable: shown, or sealed by the key of the server
 * that imports. The CLI seals them anew with the target's own key.
 */
export async function importState(parts: CliParts, stack: StackName, deployment: unknown): Promise<void> {
  const { commands, secrets, clock } = parts;
  const scope = scopeOf(stack);
  const checkpoint = decodeCheckpoint(deployment, { scope, secrets });
  for (const { urn } of checkpoint.resources) requireOwn(urn, stack);
  const plain = makeEncoder({ scope, secrets: null })(checkpoint, clock.now());
  const target = (await commands.export(stack, { showSecrets: false })) ?? (await created(parts, stack));
  // Without the target's own way to seal secrets in it, the CLI's import ends in a panic.
  const { secrets_providers: secretsProviders } = target.deployment;
  const sealed = secretsProviders === undefined ? {} : { secrets_providers: secretsProviders };
  await commands.import(stack, { ...plain, deployment: { ...plain.deployment, ...sealed } });
  // What was pending when it was exported is found out by the next operation.
  if (checkpoint.pending.length > 0) openEffectBook(bookOf(parts, stack), "create imported");
}

async function created({ commands }: CliParts, stack: StackName): Promise<UntypedDeployment> {
  await commands.create(stack);
  const target = await commands.export(stack, { showSecrets: false });
  if (target !== null) return target;
  throw new WaybillError("CLI_FAILED", `the stack ${scopeOf(stack)} was made and is not there: look at its backend`);
}
