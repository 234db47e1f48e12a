import type { DetailedDiff, DiffKind } from "../provider.ts";
import type { StepOp } from "../step.ts";
import { isDefaultProvider, isProviderType } from "../value/urn.ts";

/** What is read of an engine event (sdk/go/common/apitype/events.go in github.com/pulumi/pulumi). */
interface EngineEventLine {
  readonly resourcePreEvent?: { readonly metadata: Metadata };
  readonly resOutputsEvent?: { readonly metadata: Metadata };
  readonly resOpFailedEvent?: { readonly metadata: Metadata };
  readonly diagnosticEvent?: Diagnostic;
  readonly errorEvent?: { readonly error?: string };
}
interface Metadata {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly old?: { readonly protect?: boolean } | null;
  readonly detailedDiff?: Readonly<Record<string, { readonly diffKind: DiffKind }>> | null;
}
export interface Diagnostic {
  readonly severity: string;
  readonly message: string;
  readonly urn?: string;
}

export interface CliStep {
  readonly urn: string;
  readonly op: StepOp;
  readonly detailedDiff: DetailedDiff;
  readonly isProtected: boolean;
}

/** What one operation of the CLI said of itself. */
export interface EventLog {
  /** One line of its output. */
  read(line: string): void;
  steps(): readonly CliStep[];
  /** Whether the state says that the resource is protected, as far as it was touched. */
  isProtected(urn: string): boolean;
  /** Errors in its own words. */
  errors(): readonly Diagnostic[];
}

const ops: Readonly<Record<string, StepOp>> = {
  create: "create",
  import: "create",
  update: "update",
  "create-replacement": "replace",
  "import-replacement": "replace",
  delete: "delete",
  "delete-replaced": "delete-replaced",
  same: "same",
  read: "read",
  "read-replacement": "read",
};

/** `refresh`: what was found is told with a resource's outputs, not before. */
export function makeEventLog(kind: "apply" | "refresh"): EventLog {
  const steps: CliStep[] = [];
  const errors: Diagnostic[] = [];
  const note = (metadata: Metadata | undefined): void => {
    const step = metadata && stepOf(metadata);
    if (!step) return;
    // Deleted to make room: the replacement says it all.
    const cleared =
      step.op === "replace" ? steps.findIndex(({ urn, op }) => urn === step.urn && op === "delete-replaced") : -1;
    if (cleared >= 0) steps.splice(cleared, 1);
    steps.push(step);
  };
  return {
    read: (line) => {
      const event = parsed(line);
      note((kind === "refresh" ? event.resOutputsEvent : event.resourcePreEvent)?.metadata);
      const { diagnosticEvent, errorEvent } = event;
      if (diagnosticEvent?.severity === "error") errors.push(diagnosticEvent);
      if (errorEvent?.error !== undefined) errors.push({ severity: "error", message: errorEvent.error });
    },
    steps: () => steps,
    isProtected: (urn) => steps.some((step) => step.urn === urn && step.isProtected),
    errors: () => errors,
  };
}

function stepOf({ op, urn, type, old, detailedDiff }: Metadata): CliStep | null {
  const known = ops[op];
  if (known === undefined || (isProviderType(type) && isDefaultProvider(urn))) return null;
  const entries = Object.entries(detailedDiff ?? {}).map(([path, { diffKind }]) => [path, diffKind] as const);
  return { urn, op: known, detailedDiff: Object.fromEntries(entries), isProtected: old?.protect === true };
}

/** The CLI also prints what is no event. */
function parsed(line: string): EngineEventLine {
  if (!line.startsWith("{")) return {};
  try {
    return JSON.parse(line) as EngineEventLine;
  } catch {
    return {};
  }
}
