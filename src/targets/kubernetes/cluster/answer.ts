/**
 * An answer of the API server, without the fields that are null in it: for its clients they are absent. Go writes an
 * empty list or map as null where a kind's definition does not say otherwise, and definitions of one's own rarely do.
 * Elements of lists keep their places.
 */
export const answerOf = (text: string): unknown => withoutNulls(JSON.parse(text));

// Notes on who wrote which field: long, and of empty maps only.
const untouched = "managedFields";

function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (const [index, element] of value.entries()) value[index] = withoutNulls(element);
    return value;
  }
  const map = value as Record<string, unknown>;
  let hasNull = false;
  for (const [key, part] of Object.entries(map)) {
    if (part === null) hasNull = true;
    else if (typeof part === "object" && key !== untouched) map[key] = withoutNulls(part);
  }
  return hasNull ? Object.fromEntries(Object.entries(map).filter(([, part]) => part !== null)) : map;
}
