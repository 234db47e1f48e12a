/**
 * A value as PostgreSQL's `jsonb` gives it back: keys by length, then by bytes. What is made from a workload before it
 * was stored, such as the digest that names a revision, is then what is made from it afterwards.
 * https://www.postgresql.org/docs/current/datatype-json.html
 */
export function inStoredOrder<Value>(value: Value): Value {
  return ordered(value) as Value;
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => ({ key, bytes: Buffer.from(key), each: ordered(each) }))
      .toSorted((left, right) => left.bytes.length - right.bytes.length || left.bytes.compare(right.bytes))
      .map(({ key, each }) => [key, each]),
  );
}
