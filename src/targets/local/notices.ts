import type { ResolvedReplicas, ResolvedSecret, ResolvedService, ResolvedSize } from "../../spec/resolved.ts";
import type { Workload } from "../workload.ts";
import { secretFileVariable } from "./processes/environment.ts";

/** What stands in the file and cannot be done on this target: applying it is refused with these words. */
export function refusals({ spec, source }: Workload): readonly string[] {
  if (spec.source.from === "image") {
    return ["source.image needs a container runtime, and the local target runs programs from source"];
  }
  if (spec.kind === "service" && Object.keys(spec.components).length > 0) {
    return ["components are not run by the local target: make each a deployment of its own"];
  }
  const other = spec.kind === "site" ? undefined : spec.secrets.find(({ key }) => key !== undefined);
  if (other) return [`secret ${other.name}: its key names a Secret of a cluster, and the local target has none`];
  if (source === null) return ["its source tree is not known"];
  if (spec.kind !== "site" && spec.command === null) return ["a program from source needs a command"];
  return [];
}

/** What is accepted but done otherwise than the file says, in the user's words. */
export function notices(workload: Workload): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "site") return refusals(workload);
  if (spec.kind === "job") {
    return [...refusals(workload), ...sizeNotices(spec.size), ...secretNotices(spec.secrets)];
  }
  return [
    ...refusals(workload),
    ...sizeNotices(spec.size),
    ...replicaNotices(spec),
    ...(spec.rollout === "handover" ? ["rollout: the local target starts the new revision beside the old one"] : []),
    ...secretNotices(spec.secrets),
    ...(spec.kind === "service" ? portNotices(spec) : []),
  ];
}

function sizeNotices({ gpu, name }: ResolvedSize): readonly string[] {
  if (!gpu) return [];
  return [`size${name === null ? "" : ` ${name}`}: this machine's GPUs are not reserved by the local target`];
}

function replicaNotices({
  kind,
  replicas: { min, max },
}: {
  kind: string;
  replicas: ResolvedReplicas;
}): readonly string[] {
  if (max > 1) return [`replicas: the local target runs one process, not ${Math.max(min, 1)} to ${max}`];
  if (min === 0 && kind === "worker")
    return ["replicas.min 0: nobody asks a worker, so none would wake it: it runs on"];
  return [];
}

function secretNotices(secrets: readonly ResolvedSecret[]): readonly string[] {
  return secrets.flatMap((secret) => {
    if (!("file" in secret)) return [];
    return [`secret ${secret.name}: on this machine ${secret.file} is found at $${secretFileVariable(secret.name)}`];
  });
}

function portNotices({ port, routes }: ResolvedService): readonly string[] {
  const further = new Set(routes.map((route) => route.port).filter((other) => other !== port));
  return [...further].map(
    (other) => `port ${other}: on this machine the program must listen on $PORT_${other} instead`,
  );
}
