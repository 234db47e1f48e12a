import { WaybillError } from "../../../core/errors.ts";
import type { Json, Properties } from "../../../engine/provider.ts";
import { parsePath } from "../../../engine/value/property-path.ts";
import { makeRedaction, type Redaction } from "../../../engine/value/redaction.ts";
import { isList, isMap } from "../../../engine/value/value.ts";
import { ClusterError } from "../cluster/cluster-error.ts";
import { mapAt } from "./manifest.ts";

interface Masked {
  readonly type: string;
  readonly secretPaths: readonly string[];
}

const secretType = "kubernetes:core/v1:Secret";

/**
 * Takes out of messages what the program marked as secret, and whatever stands in a Secret: an admission webhook or a
 * kubelet may quote it, as it is, in base64, or as a URL has it.
 */
export function maskOf({ type, secretPaths }: Masked, ...known: readonly Properties[]): Redaction {
  const redaction = makeRedaction();
  for (const properties of known) {
    for (const path of secretPaths) for (const text of textsOf(valueAt(properties, path))) redaction.learnText(text);
    if (type !== secretType) continue;
    for (const text of textsOf(mapAt(properties, "stringData"))) redaction.learnText(text);
    for (const text of textsOf(mapAt(properties, "data"))) {
      redaction.learnText(text);
      redaction.learnText(Buffer.from(text, "base64").toString());
    }
  }
  return redaction;
}

/** The error of a call, fit to be read by anyone. */
export function maskedError(error: unknown, mask: Redaction): unknown {
  if (!(error instanceof Error)) return error;
  if (error instanceof ClusterError) return error.cleaned((text) => mask.clean(text));
  const message = mask.clean(error.message);
  if (message === error.message && mask.clean(error.stack ?? "") === error.stack) return error;
  // Without its cause: that repeats the text.
  return error instanceof WaybillError ? new WaybillError(error.code, message) : new Error(message);
}

function valueAt(properties: Properties, path: string): Json {
  let value: Json = properties;
  for (const part of parsePath(path) ?? []) {
    const next: Json | undefined = isMap(value)
      ? value[part]
      : isList(value) && typeof part === "number"
        ? value[part]
        : undefined;
    if (next === undefined) return null;
    value = next;
  }
  return value;
}

function textsOf(value: Json): readonly string[] {
  if (typeof value === "string") return [value];
  if (isList(value)) return value.flatMap(textsOf);
  return isMap(value) ? Object.values(value).flatMap(textsOf) : [];
}
