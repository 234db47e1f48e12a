type Json = Record<string, unknown>;

// These are one choice each: parts of two choices would make neither.
const replacedWhole = new Set(["schema"]);

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `over` laid over `base`: maps merge key by key at every depth, everything else is replaced.
 * Neither argument is changed; the result shares what was not merged.
 */
export function overlay<Base extends object>(base: Base, over: object): Base {
  return mergeMaps(base as Json, over as Json) as Base;
}

function mergeMaps(base: Json, over: Json): Json {
  const merged: Json = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(base, key) ? base[key] : undefined;
    merged[key] = isMap(below) && isMap(value) && !replacedWhole.has(key) ? mergeValue(key, below, value) : value;
  }
  return merged;
}

function mergeValue(key: string, below: Json, value: Json): Json {
  return key === "source" ? mergeSource(below, value) : mergeMaps(below, value);
}

/** A source is an image or a path with or without git: naming one in an overlay drops the other. */
function mergeSource(below: Json, value: Json): Json {
  if (Object.hasOwn(value, "image")) return value;
  if (Object.hasOwn(below, "image")) return value;
  return mergeMaps(below, value);
}
