import type { Json, Properties } from "../provider.ts";

/**
 * Values inside the engine are what Pulumi puts on the wire: JSON in which a map with `signatureKey` is something
 * special, and one string stands for "not known yet" (sdk/nodejs/runtime/rpc.ts in github.com/pulumi/pulumi).
 */
export const signatureKey = "4dabf18193072939515e22adb298388d";
export const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

type JsonMap = { readonly [key: string]: Json };

export const isMap = (value: Json | undefined): value is JsonMap =>
  typeof value === "object" && value !== null && !Array.isArray(value);
// Array.isArray does not narrow a readonly array.
export const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
export const isSecret = (value: Json): value is JsonMap & { readonly value: Json } =>
  isMap(value) && value[signatureKey] === secretSignature;
/** True for the mark that stands where a value is not known yet, at preview. */
export const isUnknown = (value: Json | undefined): boolean => value === unknownValue;

export const asSecret = (value: Json): Json =>
  isSecret(value) ? value : { [signatureKey]: secretSignature, value: revealed(value) };

/** The same map with each value mapped; own keys only, so that `__proto__` stays a key. */
export function mapValues(map: JsonMap, change: (value: Json, key: string) => Json): JsonMap {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value, key)]));
}

/** Secrets unwrapped at every depth. */
export function revealed(value: Json): Json {
  if (isSecret(value)) return revealed(value.value);
  if (isList(value)) return value.map(revealed);
  if (isMap(value)) return mapValues(value, revealed);
  return value;
}
export const revealedAll = (properties: Properties): Properties => mapValues(properties, revealed);

export function containsUnknown(value: Json): boolean {
  if (isList(value)) return value.some(containsUnknown);
  if (isMap(value)) return Object.values(value).some(containsUnknown);
  return isUnknown(value);
}

export function containsSecret(value: Json): boolean {
  if (isSecret(value)) return true;
  if (isList(value)) return value.some(containsSecret);
  return isMap(value) && Object.values(value).some(containsSecret);
}

export function isEqual(left: Json | undefined, right: Json | undefined): boolean {
  if (left === right) return true;
  if (isList(left) && isList(right)) {
    return left.length === right.length && left.every((item, index) => isEqual(item, right[index]));
  }
  if (!isMap(left) || !isMap(right)) return false;
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isEqual(left[key], right[key]))
  );
}

/** Text of every secret within, for marking again and for redaction. */
export function secretTexts(value: Json): readonly string[] {
  if (isSecret(value)) return texts(value.value);
  if (isList(value)) return value.flatMap(secretTexts);
  if (isMap(value)) return Object.values(value).flatMap(secretTexts);
  return [];
}

function texts(value: Json): readonly string[] {
  if (typeof value === "string") return isUnknown(value) ? [] : [value];
  if (typeof value === "number") return [String(value)];
  if (isList(value)) return value.flatMap(texts);
  if (isMap(value)) return Object.values(value).flatMap(texts);
  return [];
}

// A shorter text occurs by chance in values that are no secret.
const minimumEchoLength = 4;

/**
 * Marks as secret in `plain` what is secret in `like` (by place), what repeats one of its secrets (by text), and the
 * top-level `names`. A provider answers plain values; this is what keeps them from being stored or shown as such.
 */
export function markedLike(plain: Properties, like: Properties, names: readonly string[] = []): Properties {
  const echoes = new Set(secretTexts(like).filter((text) => text.length >= minimumEchoLength));
  return mapValues(plain, (value, key) => {
    const marked = mark(value, Object.hasOwn(like, key) ? like[key] : undefined, echoes);
    return names.includes(key) ? asSecret(marked) : marked;
  });
}

function mark(value: Json, like: Json | undefined, echoes: ReadonlySet<string>): Json {
  if (isSecret(value) || (like !== undefined && isSecret(like))) return asSecret(value);
  if (typeof value === "string") return echoes.has(value) ? asSecret(value) : value;
  if (isList(value)) return value.map((item, index) => mark(item, isList(like) ? like[index] : undefined, echoes));
  if (!isMap(value)) return value;
  return mapValues(value, (item, key) =>
    mark(item, isMap(like) && Object.hasOwn(like, key) ? like[key] : undefined, echoes),
  );
}
