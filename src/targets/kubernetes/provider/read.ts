import type { Properties, ReadRequest, ReadResult } from "../../../engine/provider.ts";
import { isEqual } from "../../../engine/value/value.ts";
import { ClusterError } from "../cluster/cluster-error.ts";
import type { Cluster } from "../cluster/cluster.ts";
import type { KindName, KubeObject } from "../cluster/object.ts";
import { driftedInputs } from "./drift.ts";
import { fieldManager, idOf, manifestOf, mapAt, outputsOf, parseId } from "./manifest.ts";
import { kindOf } from "./token.ts";

/** The object as it is, and the inputs that would leave it so. */
export async function readObject(cluster: Cluster, request: ReadRequest): Promise<ReadResult | null> {
  const { type, id, inputs, signal } = request;
  const kind = kindOf(type);
  const place = parseId(id);
  const live = await cluster.get({ ...kind, ...place }, signal);
  if (live === null) return null;
  const outputs = outputsOf(live, inputs);
  const isOurs = Object.keys(inputs).length > 0;
  const found = isOurs ? await currentInputs(cluster, { kind, inputs, live, signal }) : inputsOf(kind, outputs);
  return { id: idOf(live.metadata.namespace, live.metadata.name), inputs: found, outputs };
}

interface Current {
  readonly kind: KindName;
  readonly inputs: Properties;
  readonly live: KubeObject;
  readonly signal: AbortSignal;
}

/** What others changed in fields of ours shows in a dry run of our own inputs: it would put them back. */
async function currentInputs(cluster: Cluster, { kind, inputs, live, signal }: Current): Promise<Properties> {
  try {
    const manifest = manifestOf(kind, inputs);
    const wanted = await cluster.apply(manifest, { signal, fieldManager, dryRun: true });
    const sent = manifest as unknown as Properties;
    const found = driftedInputs(sent, live as unknown as Properties, wanted as unknown as Properties);
    // Unless it changed, a Secret stays in the words of the program.
    return isEqual(found, sent) ? inputs : found;
  } catch (error) {
    // What cannot be applied any more is left for the next apply to say.
    if (error instanceof ClusterError) return inputs;
    throw error;
  }
}

/** Of an object that the program only reads: what it says, without what the server adds to every object. */
function inputsOf({ apiVersion, kind }: KindName, outputs: Properties): Properties {
  const own = without(outputs, ["status", "__fieldManager", "__initialApiVersion"]);
  const metadata = without(mapAt(outputs, "metadata"), ["uid", "resourceVersion", "generation", "creationTimestamp"]);
  return { ...own, apiVersion, kind, metadata };
}

const without = (map: Properties, keys: readonly string[]): Properties =>
  Object.fromEntries(Object.entries(map).filter(([key]) => !keys.includes(key)));
