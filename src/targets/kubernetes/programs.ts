import { registerHooks } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { messageOf, WaybillError } from "../../core/errors.ts";
import type { Program } from "../../engine/engine.ts";
import type { KubernetesTargetSettings } from "../../spec/server-settings.ts";
import { program as environmentProgram } from "../../../templates/kubernetes/environment.ts";
import { program as jobProgram } from "../../../templates/kubernetes/job.ts";
import { program as serviceProgram } from "../../../templates/kubernetes/service.ts";
import { program as workerProgram } from "../../../templates/kubernetes/worker.ts";
import type { WorkloadOf } from "../../../templates/local/parts.ts";
import type { EnvironmentPlace, Place } from "./place.ts";

/** What makes the objects of a cluster: functions of plain data that answer an ordinary Pulumi program. */
export interface Programs {
  readonly environment: (place: EnvironmentPlace) => Program;
  readonly service: (workload: WorkloadOf<"service">, place: Place) => Program;
  readonly worker: (workload: WorkloadOf<"worker">, place: Place) => Program;
  readonly job: (workload: WorkloadOf<"job">, place: Place) => Program;
}

export const ownPrograms: Programs = {
  environment: environmentProgram,
  service: serviceProgram,
  worker: workerProgram,
  job: jobProgram,
};

type Templates = NonNullable<KubernetesTargetSettings["templates"]>;

/** Waybill's programs with those of the settings in their place. Throws SETTINGS_INVALID for one that is none. */
export async function loadPrograms(templates: Templates): Promise<Programs> {
  const { environment, service, worker } = templates;
  return {
    environment: environment === undefined ? ownPrograms.environment : await load<"environment">(environment),
    service: service === undefined ? ownPrograms.service : await load<"service">(service),
    worker: worker === undefined ? ownPrograms.worker : await load<"worker">(worker),
    job: ownPrograms.job,
  };
}

async function load<Name extends keyof Programs>(path: string): Promise<Programs[Name]> {
  shareLibraries();
  let loaded: { readonly program?: unknown };
  try {
    loaded = (await import(pathToFileURL(resolve(path)).href)) as { readonly program?: unknown };
  } catch (cause) {
    throw new WaybillError("SETTINGS_INVALID", `the template ${path} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  if (typeof loaded.program === "function") return loaded.program as Programs[Name];
  throw new WaybillError(
    "SETTINGS_INVALID",
    `the template ${path} exports no function named program, by which its objects are made`,
  );
}

const ownLibraries = /^@pulumi\/(?:pulumi|kubernetes)(?:\/|$)/;
const ownTemplates = /^waybill\/templates\/([\w/-]+)$/;
let isSharing = false;

/**
 * A program registers its resources with the one copy of the SDK that its engine listens to: whatever folder a template
 * lies in, these libraries are the server's own, and `waybill/templates/kubernetes/service` is the program it replaces.
 */
function shareLibraries(): void {
  if (isSharing) return;
  isSharing = true;
  registerHooks({
    resolve(specifier, context, next) {
      const [, template] = ownTemplates.exec(specifier) ?? [];
      const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
      if (template !== undefined) {
        return next(new URL(`../../../templates/${template}${ending}`, import.meta.url).href, context);
      }
      return next(specifier, ownLibraries.test(specifier) ? { ...context, parentURL: import.meta.url } : context);
    },
  });
}
