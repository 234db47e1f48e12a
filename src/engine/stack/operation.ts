import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import type { CallContext, EffectContext, Properties } from "../provider.ts";
import type { StepOp } from "../step.ts";
import { secretPathsOf } from "../value/property-path.ts";
import type { Redaction } from "../value/redaction.ts";
import { nameOf, typeOf } from "../value/urn.ts";
import type { Journal } from "../record/journal.ts";
import type { ProviderSet } from "./provider-set.ts";
import type { Report } from "./report.ts";

/** One preview, up, destroy or refresh of one stack. */
export interface Operation {
  readonly project: string;
  readonly stack: string;
  readonly isPreview: boolean;
  readonly signal: AbortSignal;
  readonly journal: Journal;
  readonly providers: ProviderSet;
  readonly redaction: Redaction;
  readonly report: Report;
  readonly clock: Clock;
  /** Runs the task when fewer than the limit are running. */
  readonly inSlot: <Result>(task: () => Promise<Result>) => Promise<Result>;
}

export function callContext(operation: Operation, urn: string, inputs: Properties): CallContext {
  return {
    urn,
    type: typeOf(urn),
    name: nameOf(urn),
    signal: operation.signal,
    onProgress: (message) => operation.report.emit({ type: "step-progress", urn, message }),
    secretPaths: secretPathsOf(inputs),
  };
}

interface Effect {
  readonly urn: string;
  readonly inputs: Properties;
  /** What tells this operation on this resource from every other, and is known again after a crash. */
  readonly key: string;
  readonly timeoutSeconds: number | undefined;
}

/** The same for every attempt at one effect, also after a crash. */
export const operationIdOf = (urn: string, key: string): string =>
  createHash("sha256").update(`${urn}\n${key}`).digest("hex").slice(0, 32);

export function effectContext(operation: Operation, { urn, inputs, key, timeoutSeconds }: Effect): EffectContext {
  const operationId = operationIdOf(urn, key);
  const context = callContext(operation, urn, inputs);
  if (timeoutSeconds === undefined) return { ...context, operationId };
  const timeoutMs = timeoutSeconds * 1000;
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(timeoutMs)]);
  return { ...context, operationId, timeoutMs, signal };
}

/** Runs a step's effect between its events. In a preview nothing is said while it runs: the steps are the answer. */
export async function narrated<Result>(
  operation: Operation,
  step: { readonly urn: string; readonly op: StepOp },
  effect: () => Promise<Result>,
): Promise<Result> {
  const { report, clock, isPreview } = operation;
  if (isPreview) return effect();
  const { urn, op } = step;
  const startedAtMs = clock.now().getTime();
  report.emit({ type: "step-started", urn, op });
  try {
    const result = await effect();
    report.emit({ type: "step-done", urn, op, durationMs: clock.now().getTime() - startedAtMs });
    return result;
  } catch (error) {
    report.emit({ type: "step-failed", urn, op, message: error instanceof Error ? error.message : String(error) });
    throw error;
  }
}
