import { WaybillError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { Preview, Program, ProgramOptions, UpResult } from "./engine.ts";
import { directClient, engineService, monitorService } from "./program/monitor.ts";
import { runProgram } from "./program/program.ts";
import type { Json } from "./provider.ts";
import { makeDeployment, type Deployment } from "./stack/deployment.ts";
import { makeInvoke } from "./stack/invocation.ts";
import type { Operation } from "./stack/operation.ts";
import { recover } from "./stack/recovery.ts";
import { removeRest } from "./stack/removal.ts";
import { countSteps } from "./stack/report.ts";
import type { EngineEvent } from "./step.ts";
import { isList, isMap, isSecret, revealed } from "./value/value.ts";

/** How long cancelled provider calls get to end. What has not by then stays a pending operation in the state. */
const cancelGraceMs = 30_000;

/** Recovers what was interrupted, runs the program, deletes what it no longer declares. A preview only says so. */
export async function applyProgram(operation: Operation, program: Program, options: ProgramOptions): Promise<UpResult> {
  const { report, redaction, journal, signal } = operation;
  const deployment = makeDeployment(operation);
  await recover(operation);
  const { config = {}, secretConfig = [] } = options;
  const monitor = {
    deployment,
    invoke: makeInvoke(operation),
    emit: (event: EngineEvent) => report.emit(event),
    fail: (error: unknown) => report.failProgram(error),
    redact: (text: string) => redaction.clean(text),
  };
  const clients = {
    monitor: directClient(monitorService(monitor), monitor.redact),
    engine: directClient(engineService(monitor), monitor.redact),
  };
  await runProgram({ ...operation, config, secretConfig, clients, fail: monitor.fail }, program);
  await untilIdle(operation, deployment);
  if (!report.hasFailures() && !signal.aborted) await removeRest(operation);
  await journal.flush();
  throwFailure(operation);
  const outputs = deployment.outputs() ?? {};
  return { ...summary(operation), outputs: Object.fromEntries(Object.entries(outputs).map(([k, v]) => [k, shown(v)])) };
}

async function untilIdle({ signal, clock }: Operation, deployment: Deployment): Promise<void> {
  if (!signal.aborted) return deployment.idle();
  const over = new AbortController();
  try {
    await Promise.race([deployment.idle(), clock.sleep(cancelGraceMs, over.signal)]);
  } finally {
    over.abort();
  }
}

export async function destroyStack(operation: Operation): Promise<Preview> {
  await recover(operation);
  await removeRest(operation);
  await operation.journal.flush();
  throwFailure(operation);
  return summary(operation);
}

type Ended = Pick<Operation, "signal" | "report" | "project" | "stack">;

/** Cancellation is said first: what failed then, failed because of it. */
export function throwFailure({ signal, report, project, stack }: Ended): void {
  if (signal.aborted) {
    throw new WaybillError("APPLY_CANCELLED", `the apply of ${project}/${stack} was cancelled`, {
      cause: signal.reason,
    });
  }
  const error = report.error();
  if (error) throw error;
}

export function summary({ report }: Pick<Operation, "report">): Preview {
  const steps = report.steps();
  return { steps, changes: countSteps(steps) };
}

/** An output as the caller gets it: a secret as a `Secret`. */
export function shown(value: Json): unknown {
  if (isSecret(value)) {
    const plain = revealed(value);
    return new Secret(typeof plain === "string" ? plain : JSON.stringify(plain));
  }
  if (isList(value)) return value.map(shown);
  return isMap(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)])) : value;
}
