import { WaybillError } from "../core/errors.ts";
import type { ResolvedJob, ResolvedSchedule } from "../spec/resolved.ts";
import type { RunOrder } from "../targets/run-executor.ts";
import { withParameters } from "../spec/parameters/command.ts";
import { parameterVariable } from "../spec/parameters/variable.ts";
import { parameterEnvironment } from "./parameters/environment.ts";
import { refuseUnfit, secretParameters } from "./parameters/values.ts";
import type { ParameterValues, Revision, Run, RunOrigin } from "./run.ts";

/** The current version of each secret that an environment sees. */
export interface SecretVersions {
  versions(scope: { readonly repository: string; readonly environment: string }): Promise<ReadonlyMap<string, number>>;
}

/** Of a run, all that its order says. */
type Ordered = Pick<Run, "id" | "stack" | "parameters" | "attempt" | "name" | "origin">;

/** What a target is told to start of a run. */
export type OrderOf = (run: Ordered, revision: Revision) => Promise<RunOrder>;

/** Throws SECRET_MISSING where a parameter's secret is gone, and PARAMETERS_INVALID. */
export async function orderOf(secrets: SecretVersions, run: Ordered, { workload }: Revision): Promise<RunOrder> {
  const { spec } = workload;
  refuseUnfit(spec, run.parameters);
  const references = secretParameters(spec, run.parameters);
  const versions = references.size > 0 ? await secrets.versions(run.stack) : new Map<string, number>();
  const { command, env } = programOf(spec.command, run.parameters, new Set(references.keys()));
  return {
    run: run.id,
    attempt: run.attempt,
    workload,
    command,
    env: { ...env, ...(run.name !== "" && { WAYBILL_RUN_NAME: run.name }), ...originEnvironment(run.origin) },
    secrets: [...references].map(([parameter, name]) => {
      const version = versions.get(name);
      if (version !== undefined) return { name, version, env: parameterVariable(parameter) };
      throw new WaybillError(
        "SECRET_MISSING",
        `parameter ${parameter}: secret ${name} does not exist: waybill secret set ${name}`,
      );
    }),
  };
}

/** What every run of a schedule runs that its target fires by itself: its parameters are no secrets. */
export function scheduledProgram({ command }: ResolvedJob, { name, parameters }: ResolvedSchedule): Program {
  const program = programOf(command, parameters, new Set());
  return { ...program, env: { ...program.env, WAYBILL_SCHEDULE: name } };
}

type Program = Pick<RunOrder, "command" | "env">;

/** `secretNames`: parameters whose values come by another way. */
function programOf(command: string | null, parameters: ParameterValues, secretNames: ReadonlySet<string>): Program {
  return {
    command: command === null ? null : withParameters(command, new Set(Object.keys(parameters))),
    env: parameterEnvironment(parameters, secretNames),
  };
}

/** What a program can learn of who started it. */
function originEnvironment(origin: RunOrigin): Readonly<Record<string, string>> {
  switch (origin.by) {
    case "schedule":
      return { WAYBILL_SCHEDULE: origin.schedule, WAYBILL_SCHEDULED_FOR: origin.time.toISOString() };
    case "after":
      return { WAYBILL_AFTER: origin.entry, WAYBILL_AFTER_RUN: origin.run };
    case "event":
      return { WAYBILL_EVENT: origin.event, WAYBILL_EVENT_ID: origin.delivery };
    case "deployment":
      return { WAYBILL_DEPLOYMENT: origin.deployment, WAYBILL_DEPLOY_PHASE: origin.phase };
    case "person":
      return {};
    default:
      return origin satisfies never;
  }
}
