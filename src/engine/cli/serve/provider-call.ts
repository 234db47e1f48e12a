import type { Clock } from "../../../core/clock.ts";
import { messageOf, WaybillError } from "../../../core/errors.ts";
import { decodeStruct } from "../../program/registration-request.ts";
import { providerMessages, Struct } from "../../program/sdk.ts";
import {
  PartialCreate,
  type CallContext,
  type CheckFailure,
  type CreateResult,
  type EffectContext,
  type Properties,
} from "../../provider.ts";
import type { Report } from "../../stack/report.ts";
import type { StepOp } from "../../step.ts";
import { secretPathsOf } from "../../value/property-path.ts";
import type { Redaction } from "../../value/redaction.ts";
import { nameOf, typeOf } from "../../value/urn.ts";
import { operationIdOf } from "../../stack/operation.ts";
import { markedLike, revealedAll } from "../../value/value.ts";
import { Failure } from "./grpc.ts";

/** What the providers of one operation of the CLI share. */
export interface ProviderOperation {
  /** Tells the creations of this operation from those of every other; known again after a crash. */
  readonly createKey: string;
  readonly report: Report;
  readonly redaction: Redaction;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly isPreview: boolean;
  /** Runs a call; what it throws is reported for the URN, and thrown again as the CLI may hear it. */
  guarded<Result>(urn: string, call: () => Promise<Result>, told?: Told): Promise<Result>;
}

/** What the CLI is told beside an error's text. */
interface Told {
  /** Its secrets are marked in whatever repeats them. */
  readonly inputs: Properties;
  /** What is there all the same, though not as wanted. */
  readonly kept?: CreateResult;
}

export interface Call extends Told {
  readonly context: CallContext;
  /** The inputs without their marks. */
  readonly plain: Properties;
}

interface Effect {
  readonly key: string;
  /** 0: none. */
  readonly timeoutSeconds: number;
}

interface Request {
  getUrn(): string;
  getType(): string;
}

export interface Calls {
  readonly createKey: string;
  open(request: Request, inputs: unknown): Call;
  effect(call: Call, effect: Effect): EffectContext;
  /** Outputs as the CLI gets them, secret where the inputs are. */
  answer(call: Call, outputs: Properties): never;
  answered<Result>(call: Call, task: () => Promise<Result>): Promise<Result>;
  answered<Result>(call: Call, task: () => Promise<Result> | undefined): Promise<Result | undefined>;
  /** An effect between its events. */
  narrated<Result>(call: Call, op: StepOp, task: () => Promise<Result>): Promise<Result>;
  /** Inputs that a provider does not take. */
  refused(call: Call, failures: readonly CheckFailure[]): void;
}

export function makeCalls(operation: ProviderOperation): Calls {
  const { report, redaction, clock, signal, createKey } = operation;
  const answered = async <Result>(call: Call, task: () => Promise<Result>): Promise<Result> =>
    operation.guarded(call.context.urn, task, call);
  return {
    createKey,
    open: (request, message) => {
      const urn = request.getUrn();
      const inputs = decodeStruct(message, urn);
      redaction.learn(inputs);
      const context: CallContext = {
        urn,
        type: request.getType() || typeOf(urn),
        name: nameOf(urn),
        signal,
        onProgress: (text) => report.emit({ type: "step-progress", urn, message: text }),
        secretPaths: secretPathsOf(inputs),
      };
      return { context, inputs, plain: revealedAll(inputs) };
    },
    effect: ({ context }, { key, timeoutSeconds }) => {
      const operationId = operationIdOf(context.urn, key);
      if (timeoutSeconds === 0) return { ...context, operationId };
      const timeoutMs = timeoutSeconds * 1000;
      return { ...context, operationId, timeoutMs, signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]) };
    },
    answer: ({ inputs }, outputs) => {
      const marked = markedLike(outputs, inputs);
      redaction.learn(marked);
      return Struct.fromJavaScript(marked) as never;
    },
    answered,
    narrated: (call, op, task) =>
      answered(call, async () => {
        const { urn } = call.context;
        const startedAtMs = clock.now().getTime();
        report.emit({ type: "step-started", urn, op });
        try {
          const result = await task();
          report.emit({ type: "step-done", urn, op, durationMs: clock.now().getTime() - startedAtMs });
          return result;
        } catch (error) {
          report.emit({ type: "step-failed", urn, op, message: messageOf(error) });
          throw error;
        }
      }),
    refused: ({ context }, failures) => {
      if (failures.length === 0) return;
      const reasons = failures.map(({ property, reason }) => `${property}: ${reason}`).join("; ");
      report.fail(context.urn, new WaybillError("RESOURCE_INVALID", reasons));
    },
  };
}

/** See `ProviderOperation.guarded`. */
export function makeGuard(report: Report, redaction: Redaction, signal: AbortSignal): ProviderOperation["guarded"] {
  return async (urn, call, told = { inputs: {} }) => {
    try {
      return await call();
    } catch (error) {
      // Once cancelled, what fails, fails because of that.
      if (!signal.aborted) note(report, urn, error);
      throw failureOf(error, told, (text) => redaction.clean(text));
    }
  };
}

const note = (report: Report, urn: string, error: unknown): void =>
  urn === "" ? report.failProgram(error) : report.fail(urn, error);

/** What the CLI learns of an error: its clean text, and of what came up half also what is there. */
function failureOf(error: unknown, { inputs, kept }: Told, clean: (text: string) => string): Failure {
  const message = clean(messageOf(error));
  const partial = error instanceof PartialCreate ? error : kept && { ...kept, reasons: [message] };
  if (!partial) return new Failure(message);
  const detail = new providerMessages.ErrorResourceInitFailed();
  detail.setId(partial.id);
  detail.setProperties(Struct.fromJavaScript(markedLike(partial.outputs, inputs)) as never);
  detail.setReasonsList(partial.reasons.map(clean));
  return new Failure(message, { name: "pulumirpc.ErrorResourceInitFailed", bytes: detail.serializeBinary() });
}
