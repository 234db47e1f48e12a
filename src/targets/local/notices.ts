import type { ResolvedDeployment, ResolvedReplicas, ResolvedSize } from "../../spec/resolved.ts";
import type { Workload } from "../workload.ts";

/** What stands in the file and cannot be done on this target: applying it is refused with these words. */
export function refusals({ spec, source }: Workload): readonly string[] {
  if (spec.kind === "job") return [];
  const name = `deployments ${spec.name}`;
  if (spec.source.from === "image") {
    return [`${name}: source.image needs a container runtime, and the local target runs programs from source`];
  }
  if (spec.kind === "service" && Object.keys(spec.components).length > 0) {
    return [`${name}: components are not run by the local target; make each a deployment of its own`];
  }
  if (source === null) return [`${name}: its source tree is not known`];
  if (spec.kind !== "site" && spec.command === null) return [`${name}: a program from source needs a command`];
  return [];
}

/** What is accepted but done otherwise than the file says, in the user's words. */
export function notices(workload: Workload): readonly string[] {
  const { spec } = workload;
  if (spec.kind === "job") return [`${spec.name}: jobs are checked but not run yet by this server`];
  const found = [...refusals(workload)];
  if (spec.kind === "site") return found;
  return [
    ...found,
    ...sizeNotices(spec.name, spec.size),
    ...replicaNotices(spec.name, spec.replicas),
    ...fileNotices(spec),
    ...portNotices(spec),
  ];
}

function sizeNotices(name: string, { gpu, name: size }: ResolvedSize): readonly string[] {
  if (!gpu) return [];
  return [`${name}: size ${size ?? "with GPU"}: this machine's GPUs are not reserved by the local target`];
}

function replicaNotices(name: string, { min, max }: ResolvedReplicas): readonly string[] {
  if (max > 1) return [`${name}: replicas: the local target runs one process, not ${Math.max(min, 1)} to ${max}`];
  if (min === 0) return [`${name}: replicas.min 0: the local target does not put programs to sleep`];
  return [];
}

type Program = Exclude<ResolvedDeployment, { readonly kind: "job" | "site" }>;

function fileNotices(spec: Program): readonly string[] {
  return spec.secrets.flatMap((secret) => {
    if (!("file" in secret)) return [];
    const variable = `WAYBILL_SECRET_FILE_${secret.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
    return [`${spec.name}: secret ${secret.name}: on this machine the program finds ${secret.file} at $${variable}`];
  });
}

function portNotices(spec: Program): readonly string[] {
  if (spec.kind !== "service") return [];
  const further = new Set(spec.routes.map(({ port }) => port).filter((port) => port !== spec.port));
  return [...further].map(
    (port) => `${spec.name}: port ${port}: on this machine the program must listen on $PORT_${port} instead`,
  );
}
