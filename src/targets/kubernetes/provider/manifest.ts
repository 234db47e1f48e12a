import type { Json, Properties } from "../../../engine/provider.ts";
import { isMap, mapValues } from "../../../engine/value/value.ts";
import type { KindName, KubeObject } from "../cluster/object.ts";

export const fieldManager = "waybill";

export const mapAt = (properties: Properties, key: string): Properties => {
  const value = properties[key];
  return isMap(value) ? value : {};
};
export const textAt = (properties: Properties, key: string): string | undefined => {
  const value = properties[key];
  return typeof value === "string" ? value : undefined;
};

export const isSecretKind = ({ apiVersion, kind }: KindName): boolean => apiVersion === "v1" && kind === "Secret";

/** What is sent to the cluster for these inputs. */
export function manifestOf({ apiVersion, kind }: KindName, inputs: Properties): KubeObject {
  // `status` is the cluster's to write.
  const { status: _, ...rest } = inputs;
  const object = { ...rest, apiVersion, kind };
  return (isSecretKind({ apiVersion, kind }) ? withDataOnly(object) : object) as unknown as KubeObject;
}

/**
 * Write-only `stringData` as the `data` that the server makes of it: applied as it is, a key that goes from it would
 * stay in the object, as nobody owns it there.
 */
function withDataOnly(inputs: Properties): Properties {
  const { stringData, ...rest } = inputs;
  if (!isMap(stringData)) return inputs;
  const encoded = mapValues(stringData, (value) => base64Of(value));
  return { ...rest, data: { ...mapAt(inputs, "data"), ...encoded } };
}

const base64Of = (value: Json): Json => (typeof value === "string" ? Buffer.from(value).toString("base64") : value);

/** What the program and the state get to see of an object: all but the notes on who wrote which field. */
export function outputsOf(live: KubeObject, inputs: Properties): Properties {
  const { managedFields: _, ...metadata } = live.metadata;
  const { stringData } = inputs;
  return {
    ...(live as unknown as Properties),
    metadata: metadata as unknown as Properties,
    ...(isSecretKind(live) && stringData !== undefined && { stringData }),
    // The upstream plugin goes on from these two.
    __fieldManager: fieldManager,
    __initialApiVersion: live.apiVersion,
  };
}

// A DNS label's length: the strictest that the API server asks of any name.
const maxNameLength = 63;
const dryRunSuffix = "-waybill-dry-run";

/** The same inputs under a name that nothing has, to ask what the server makes of them as of a new object. */
export function withDryRunName(inputs: Properties): Properties {
  const metadata = mapAt(inputs, "metadata");
  const stem = (textAt(metadata, "name") ?? "").slice(0, maxNameLength - dryRunSuffix.length);
  return { ...inputs, metadata: { ...metadata, name: `${stem}${dryRunSuffix}` } };
}

/** `NAMESPACE/NAME`, or `NAME` for what stands outside namespaces. */
export const idOf = (namespace: string | undefined, name: string): string =>
  namespace === undefined ? name : `${namespace}/${name}`;

export function parseId(id: string): { readonly namespace?: string; readonly name: string } {
  const at = id.indexOf("/");
  return at === -1 ? { name: id } : { namespace: id.slice(0, at), name: id.slice(at + 1) };
}
