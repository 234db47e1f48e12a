/** A JSON Schema as data. Each field of the format says what it is and shows one. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** A schema with the two things that every field must have for an editor to help. */
export function field(description: string, examples: readonly unknown[], schema: Schema): Schema {
  return { description, ...schema, examples };
}

export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return {
    type: "object",
    properties,
    additionalProperties: false,
    ...(required.length > 0 && { required }),
  };
}

export function map(values: Schema, names: Schema = {}): Schema {
  return {
    type: "object",
    ...(Object.keys(names).length > 0 && { propertyNames: names }),
    additionalProperties: values,
  };
}

export function list(items: Schema, more: Schema = {}): Schema {
  return { type: "array", items, ...more };
}

export const ref = (name: string): Schema => ({ $ref: `#/$defs/${name}` });

export function refs(names: readonly string[]): Record<string, Schema> {
  return Object.fromEntries(names.map((name) => [name, ref(name)]));
}
