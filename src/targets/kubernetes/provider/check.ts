import { randomBytes } from "node:crypto";
import type { CheckFailure, CheckRequest, CheckResult, Properties } from "../../../engine/provider.ts";
import { structuralDiff } from "../../../engine/value/diff.ts";
import { isMap, isUnknown } from "../../../engine/value/value.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KindName } from "../cluster/object.ts";
import { autonamed, isAutonamed } from "./annotations.ts";
import { immutablePaths } from "./immutable.ts";
import { mapAt, textAt } from "./manifest.ts";
import { isBuiltInGroup, kindOf } from "./token.ts";

interface CheckOptions {
  readonly cluster: Cluster;
  /** Of objects that name none. */
  readonly defaultNamespace: string;
}

/** The inputs with name, namespace, apiVersion and kind filled in. */
export async function checkInputs(request: CheckRequest, options: CheckOptions): Promise<CheckResult> {
  const name = kindOf(request.type);
  const { newInputs, signal } = request;
  const failures = mismatches(name, newInputs);
  const resource = await options.cluster.resource(name, signal);
  if (resource === null && isBuiltInGroup(name.apiVersion)) {
    const reason = `this cluster serves no ${name.kind} of ${name.apiVersion}; correct apiVersion and kind`;
    return { inputs: newInputs, failures: [...failures, { property: "kind", reason }] };
  }
  if (isUnknown(newInputs["metadata"])) return { inputs: { ...newInputs, ...name }, failures };
  const named = withName({ ...newInputs, ...name }, { request, kind: name.kind });
  const inputs = resource?.isNamespaced === true ? withNamespace(named, options.defaultNamespace) : named;
  return { inputs, failures };
}

function mismatches({ apiVersion, kind }: KindName, inputs: Properties): readonly CheckFailure[] {
  const wanted = { apiVersion, kind };
  return (["apiVersion", "kind"] as const)
    .filter((property) => inputs[property] !== undefined && inputs[property] !== wanted[property])
    .map((property) => ({ property, reason: `found ${JSON.stringify(inputs[property])}, wanted ${wanted[property]}` }));
}

interface Naming {
  readonly request: CheckRequest;
  readonly kind: string;
}

/** A name that the program gives stays; one of ours stays as long as the object can. */
function withName(inputs: Properties, { request, kind }: Naming): Properties {
  const metadata = mapAt(inputs, "metadata");
  if (metadata["name"] !== undefined) return inputs;
  const { generateName, ...rest } = metadata;
  const stem = typeof generateName === "string" ? generateName : `${request.name}-`;
  const annotations = { ...mapAt(metadata, "annotations"), [autonamed]: "true" };
  const as = (name: string): Properties => ({ ...inputs, metadata: { ...rest, name, annotations } });
  const { oldInputs } = request;
  const oldName = oldInputs && isAutonamed(oldInputs) ? textAt(mapAt(oldInputs, "metadata"), "name") : undefined;
  if (oldInputs === null || oldName === undefined) return as(stem + suffix());
  const kept = as(oldName);
  // Under another name the new object can be there before the old one goes.
  return mustBeAnother(kind, oldInputs, kept) ? as(stem + suffix()) : kept;
}

const suffix = (): string => randomBytes(4).toString("hex");

function mustBeAnother(kind: string, oldInputs: Properties, newInputs: Properties): boolean {
  return immutablePaths(kind, Object.keys(structuralDiff(oldInputs, newInputs)), oldInputs).length > 0;
}

function withNamespace(inputs: Properties, namespace: string): Properties {
  const { metadata } = inputs;
  if (!isMap(metadata) || metadata["namespace"] !== undefined) return inputs;
  return { ...inputs, metadata: { ...metadata, namespace } };
}
