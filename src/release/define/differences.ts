export interface FieldChange {
  /** `env.LOG_LEVEL`, `replicas.max`, `routes[0].port`. */
  readonly path: string;
  /** The values as written in the resolved deployment; null where there was none. */
  readonly from: unknown;
  readonly to: unknown;
}

/** The fields in which two plain JSON values differ, deepest path first known, in key order. */
export function differences(from: unknown, to: unknown, path = ""): readonly FieldChange[] {
  if (isRecord(from) && isRecord(to)) {
    const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])];
    return keys.flatMap((key) => differences(from[key], to[key], path === "" ? key : `${path}.${key}`));
  }
  if (Array.isArray(from) && Array.isArray(to) && from.length === to.length) {
    return from.flatMap((item, index) => differences(item, to[index], `${path}[${index}]`));
  }
  const change = { path, from: from ?? null, to: to ?? null };
  return JSON.stringify(change.from) === JSON.stringify(change.to) ? [] : [change];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
