import { messageOf, WaybillError, type ErrorCode } from "../../core/errors.ts";
import { PartialCreate, type DetailedDiff, type Json, type Properties } from "../provider.ts";
import type { Changes, EngineEvent, Sight, Step, StepOp } from "../step.ts";
import { redacted, type Redaction } from "../value/redaction.ts";
import { nameOf, typeOf } from "../value/urn.ts";
import { isList, isMap, isSecret, mapValues } from "../value/value.ts";

interface Failure {
  readonly urn: string;
  readonly cause: unknown;
}

/** What one operation did and said. Nothing leaves it unredacted. */
export interface Report {
  emit(event: EngineEvent): void;
  step(urn: string, op: StepOp, detailedDiff?: DetailedDiff): void;
  /** Adds to the last step of `urn` what people may see of it. */
  show(urn: string, sight: Sight): void;
  /** Notes that `urn` failed; the operation goes on where it can. */
  fail(urn: string, cause: unknown): void;
  /** The same for an error of the program itself, told once however often it surfaces. */
  failProgram(cause: unknown): void;
  hasFailures(): boolean;
  steps(): readonly Step[];
  /** All failures as one error, null when there is none. */
  error(): WaybillError | null;
}

export const noChanges: Changes = {
  create: 0,
  update: 0,
  replace: 0,
  delete: 0,
  "delete-replaced": 0,
  same: 0,
  read: 0,
};

export function countSteps(steps: readonly Step[]): Changes {
  const counts = { ...noChanges };
  for (const { op } of steps) counts[op]++;
  return counts;
}

export function makeReport(redaction: Redaction, onEvent: (event: EngineEvent) => void): Report {
  const steps: Step[] = [];
  const failures: Failure[] = [];
  return {
    emit: (event) => onEvent("message" in event ? { ...event, message: redaction.clean(event.message) } : event),
    step: (urn, op, detailedDiff = {}) => {
      const diffs = Object.keys(detailedDiff);
      steps.push({ urn, type: typeOf(urn), name: nameOf(urn), op, diffs, detailedDiff });
    },
    show: (urn, sight) => {
      const at = steps.findLastIndex((step) => step.urn === urn);
      const step = steps[at];
      if (step) steps[at] = { ...step, sight: visible(sight, redaction) };
    },
    fail: (urn, cause) => void failures.push({ urn, cause }),
    failProgram: (cause) => {
      const isTold = failures.some(
        (failure) => failure.cause === cause || messageOf(failure.cause) === messageOf(cause),
      );
      if (!isTold) failures.push({ urn: "", cause: asProgramError(cause) });
    },
    hasFailures: () => failures.length > 0,
    steps: () => steps,
    error: () => (failures.length === 0 ? null : combined(failures, redaction)),
  };
}

function visible({ asked, before, after }: Sight, redaction: Redaction): Sight {
  const clean = (properties: Properties | null): Properties | null =>
    properties && mapValues(properties, (value) => withoutSecrets(value, redaction));
  return { asked: clean(asked), before: clean(before), after: clean(after) };
}

function withoutSecrets(value: Json, redaction: Redaction): Json {
  if (isSecret(value)) return redacted;
  if (typeof value === "string") return redaction.clean(value);
  if (isList(value)) return value.map((item) => withoutSecrets(item, redaction));
  return isMap(value) ? mapValues(value, (item) => withoutSecrets(item, redaction)) : value;
}

function asProgramError(cause: unknown): WaybillError {
  return cause instanceof WaybillError ? cause : new WaybillError("PROGRAM_FAILED", messageOf(cause), { cause });
}

function combined(failures: readonly Failure[], redaction: Redaction): WaybillError {
  const lines = failures.map(({ urn, cause }) => {
    const what = urn === "" ? "" : `${typeOf(urn)} ${nameOf(urn)}: `;
    return redaction.clean(what + messageOf(cause));
  });
  return new WaybillError(codeOf(failures), lines.join("\n"), { cause: cleaned(failures[0]?.cause, redaction) });
}

/** The verdict decides about retrying: a failure that only a person can end outweighs one that passes. */
function codeOf(failures: readonly Failure[]): ErrorCode {
  const known = failures.map(({ cause }) => errorIn(cause)).filter((error) => error !== null);
  const first = known.find(({ verdict }) => verdict === "rejected") ?? known[0];
  return first?.code ?? "STEP_FAILED";
}

/** A thing that exists and is not as wanted may know why. */
function errorIn(cause: unknown): WaybillError | null {
  if (cause instanceof PartialCreate) return errorIn(cause.cause);
  return cause instanceof WaybillError ? cause : null;
}

/** The cause travels to logs: its text may repeat a secret. */
function cleaned(cause: unknown, redaction: Redaction): Error {
  const copy = new Error(redaction.clean(messageOf(cause)));
  if (cause instanceof Error && cause.stack !== undefined) copy.stack = redaction.clean(cause.stack);
  return copy;
}
