import type { DiffRequest, DiffResult, Properties } from "../../../engine/provider.ts";
import { structuralDiff } from "../../../engine/value/diff.ts";
import { containsUnknown, isMap, isUnknown } from "../../../engine/value/value.ts";
import { ClusterError } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KindName } from "../cluster/object.ts";
import { immutablePaths, isKnownKind } from "./immutable.ts";
import { fieldManager, manifestOf, mapAt, withDryRunName } from "./manifest.ts";
import { isBuiltInGroup, kindOf } from "./token.ts";

/** What no update of an object changes. */
const stables = ["apiVersion", "kind"];

export async function diffInputs(request: DiffRequest, cluster: Cluster): Promise<DiffResult> {
  const { type, oldInputs, newInputs } = request;
  const kind = kindOf(type);
  const detailedDiff = structuralDiff(oldInputs, newInputs);
  const changed = Object.keys(detailedDiff);
  if (changed.length === 0) return { changes: false, stables };
  const replaces = [...movedPaths(oldInputs, newInputs), ...fixedPaths(kind, changed, request)];
  const refused = replaces.length === 0 && !isTabled(kind) ? await refusedPaths(request, kind, cluster) : [];
  const all = [...replaces, ...refused];
  if (all.length === 0) return { changes: true, detailedDiff, stables };
  return { changes: true, detailedDiff, replaces: all, deleteBeforeReplace: !isElsewhere(oldInputs, newInputs) };
}

const isTabled = ({ apiVersion, kind }: KindName): boolean => isBuiltInGroup(apiVersion) && isKnownKind(kind);

function fixedPaths({ apiVersion, kind }: KindName, changed: readonly string[], request: DiffRequest) {
  if (!isBuiltInGroup(apiVersion)) return [];
  const { oldInputs, newInputs } = request;
  // What is not known yet may well be as it was.
  const known = changed.filter((path) => !isUnknown(newInputs[path.split(/[.[]/)[0] ?? ""]));
  return immutablePaths(kind, known, oldInputs);
}

const identity = ["name", "namespace"] as const;

/** Another name or namespace is another object. */
function movedPaths(oldInputs: Properties, newInputs: Properties): readonly string[] {
  // As a whole it is unknown only when what it is made of is itself being replaced.
  if (isUnknown(newInputs["metadata"])) return ["metadata"];
  const [before, after] = [mapAt(oldInputs, "metadata"), mapAt(newInputs, "metadata")];
  return identity.filter((key) => before[key] !== after[key] && !isUnknown(after[key])).map((key) => `metadata.${key}`);
}

function isElsewhere(oldInputs: Properties, newInputs: Properties): boolean {
  return isMap(newInputs["metadata"]) && movedPaths(oldInputs, newInputs).length > 0;
}

// What the API server says of a field that cannot change: FieldValueForbidden for "updates to … are forbidden",
// FieldValueInvalid for "field is immutable" and for what is simply wrong.
const fixedCauses = new Set(["FieldValueForbidden", "FieldValueInvalid"]);

/**
 * The paths that the API server refuses to change but takes in an object of another name: those are immutable. A path
 * that is refused either way is wrong, and the update will say so.
 */
async function refusedPaths(request: DiffRequest, kind: KindName, cluster: Cluster): Promise<readonly string[]> {
  const { newInputs, signal } = request;
  if (containsUnknown(newInputs)) return [];
  const inPlace = await refusals(cluster, { kind, inputs: newInputs, signal });
  if (inPlace.length === 0) return [];
  const elsewhere = new Set(await refusals(cluster, { kind, inputs: withDryRunName(newInputs), signal }));
  return inPlace.filter((path) => !elsewhere.has(path));
}

interface Attempt {
  readonly kind: KindName;
  readonly inputs: Properties;
  readonly signal: AbortSignal;
}

async function refusals(cluster: Cluster, { kind, inputs, signal }: Attempt): Promise<readonly string[]> {
  try {
    await cluster.apply(manifestOf(kind, inputs), { signal, dryRun: true, fieldManager });
    return [];
  } catch (error) {
    if (!(error instanceof ClusterError) || error.status !== 422) return [];
    return error.causes.filter(({ reason }) => fixedCauses.has(reason)).map(({ field }) => field || "spec");
  }
}
